import { faultWords, nothingAsked, placeOf, type RouteFinding } from './findings.ts';

/** The findings as JUnit XML: a suite per service, a case per route, a failure per fault. */
export function junitText(services: readonly string[], findings: readonly RouteFinding[]): string {
  const suites = services.map((service) => {
    const cases = findings.filter((finding) => finding.service === service).map(caseOf);
    return { service, cases: cases.length > 0 ? cases : [{ name: service, faults: [nothingAsked] }] };
  });
  const counts = (cases: readonly Case[]): string =>
    `tests="${cases.length}" failures="${cases.filter(({ faults }) => faults.length > 0).length}"`;
  const lines = suites.flatMap(({ service, cases }) => [
    `  <testsuite name="${escaped(service)}" ${counts(cases)}>`,
    ...cases.flatMap((one) => caseLines(service, one)),
    '  </testsuite>',
  ]);
  const head = `<testsuites name="countersign probe" ${counts(suites.flatMap(({ cases }) => cases))}>`;
  return ['<?xml version="1.0" encoding="UTF-8"?>', head, ...lines, '</testsuites>', ''].join('\n');
}

interface Case {
  readonly name: string;
  readonly faults: readonly string[];
}

function caseOf(finding: RouteFinding): Case {
  return { name: placeOf(finding), faults: finding.faults.map(faultWords) };
}

function caseLines(service: string, { name, faults }: Case): string[] {
  const open = `    <testcase classname="${escaped(service)}" name="${escaped(name)}"`;
  if (faults.length === 0) return [`${open}/>`];
  const failures = faults.map((fault) => `      <failure message="${escaped(fault)}"/>`);
  return [`${open}>`, ...failures, '    </testcase>'];
}

/** XML 1.0 has no way at all to write most control characters. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[<>&"'\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}
