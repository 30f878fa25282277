import { writeFileSync } from 'node:fs';
import type { CheckFinding } from '../../../audit/check-result.ts';
import { probeRun } from '../../../compose/probe-run.ts';
import { systemClock } from '../../../core/clock.ts';
import { shellWord } from '../../../core/text/shell-word.ts';
import { randomBase62 } from '../../../crypto/random.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused, usage } from '../../failure.ts';
import { listenOrigin } from '../../listen-origin.ts';
import { columns } from '../../output.ts';
import { askedGateway, type AskedGateway } from '../../probe/asked-gateway.ts';
import { givenCredential, mintedCredentials } from '../../probe/credentials.ts';
import { evidence } from '../../probe/evidence.ts';
import {
  faultWords,
  findingOf,
  nothingAsked,
  placeOf,
  scoreOf,
  type RouteFinding,
  type Score,
} from '../../probe/findings.ts';
import { junitText } from '../../probe/junit.ts';
import { targetsOf } from '../../probe/plan.ts';
import { tries, type Trial } from '../../probe/try-route.ts';
import { secretFromFile } from '../../secret-input.ts';
import { atWork, sealOf, type Workplace } from '../../workplace.ts';
import { keepResult } from './keep-result.ts';
import { describeModes } from '../mode/mode.ts';

/** Nobody waits longer; it ends by itself where the probe could not end it. */
const runSecondsMax = 3600;

/** Exit 1 unless every service is authenticated and every route answered as it should. */
export async function probe(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const junit = invocation.text('junit');
  if (invocation.flag('record') && invocation.texts('service').length > 0)
    throw usage('--record keeps the result of a whole run: leave out --service');
  return atWork(invocation, async (place) => {
    const services = servicesMeant(place, invocation.texts('service'));
    const { origin, findings } = await tryAll(place, services, invocation);
    const score = scoreOf(services, findings);
    const levels = new Set((await describeModes(place, invocation)).map(({ scope }) => scope));
    const mend = [...new Set(findings.flatMap((finding) => repairOf(finding, levels) ?? []))];
    if (junit !== null) writeJunit(junit, junitText(services, findings));
    if (invocation.json) out.json({ url: origin, ...scoreJson(score), routes: findings.map(routeJson), repairs: mend });
    else for (const line of lines(services, findings, mend, invocation)) out.advice(line);
    if (!place.config.audit.rows) out.warn('decisions are not kept (audit.rows is false): none was looked for');
    if (invocation.flag('record')) {
      const kept = [
        ...findings.flatMap((finding) => keptOf(finding, levels)),
        ...unaskedOf(services, findings).map(keptUnasked),
      ];
      await keepResult('probe', scoreWords(score), kept, place, invocation);
    }
    const fine = score.authenticated.length === score.of && findings.every(({ faults }) => faults.length === 0);
    return fine ? EXIT.done : EXIT.refused;
  });
}

function servicesMeant({ config }: Workplace, named: readonly string[]): string[] {
  const all = config.services.map(({ name }) => name);
  const unknown = named.find((name) => !all.includes(name));
  if (unknown !== undefined) throw refused(`no service "${unknown}" is configured`);
  return named.length === 0 ? all : [...new Set(named)];
}

async function tryAll({ config, store }: Workplace, services: readonly string[], invocation: Invocation) {
  const targets = config.services.filter(({ name }) => services.includes(name)).flatMap(targetsOf);
  const [first] = targets;
  if (first === undefined) throw refused('there is nothing to try: no service has a route that asks for a credential');
  const file = invocation.text('key-file');
  const credentials =
    file === null
      ? mintedCredentials(store, sealOf(config, invocation))
      : givenCredential(secretFromFile(file, 'the credential'));
  const run = await probeRun(store.records, systemClock, runSecondsMax);
  let gateway: AskedGateway | null = null;
  try {
    gateway = await askedGateway(invocation.text('url') ?? listenOrigin(config), first, run.secret);
    const seen = config.audit.rows ? await evidence(store.decisions) : null;
    const tryRoute = tries({ gateway, credentials, run: randomBase62(12) });
    const trials: Trial[] = [];
    for (const target of targets) trials.push(await tryRoute(target));
    const made = new Set(
      trials.flatMap(({ none, wrong, right }) => [none, ...wrong, ...right]).map((a) => a.requestId),
    );
    const rows = seen === null ? null : await seen.find(made);
    return { origin: gateway.origin, findings: trials.map((trial) => findingOf(trial, rows)) };
  } finally {
    await gateway?.close();
    await credentials.close();
    await run.close();
  }
}

/** What to type for a route that lets strangers in because of its mode: where the mode that counts is set. */
function repairOf({ none, service, route }: RouteFinding, levels: ReadonlySet<string>): string | null {
  if (none !== 'passes (off)' && none !== 'passes (would_deny)') return null;
  const scope = [`${service}${route}`, service].find((each) => levels.has(each)) ?? '';
  return `countersign mode set enforce${scope === '' ? '' : ` ${shellWord(scope)}`}`;
}

/** As the dashboard shows it: a route that lets strangers in, or one that did not answer as it should. */
function keptOf(finding: RouteFinding, levels: ReadonlySet<string>): CheckFinding[] {
  if (finding.faults.length === 0) return [];
  const command = repairOf(finding, levels);
  return [
    {
      severity: finding.guarded ? 'medium' : 'high',
      place: placeOf(finding),
      what: finding.faults.map(faultWords).join('; '),
      why: '',
      repair: command === null ? [] : [command],
    },
  ];
}

function keptUnasked(service: string): CheckFinding {
  return { severity: 'medium', place: service, what: nothingAsked, why: '', repair: [] };
}

function unaskedOf(services: readonly string[], findings: readonly RouteFinding[]): string[] {
  return services.filter((service) => !findings.some((finding) => finding.service === service));
}

function routeJson(finding: RouteFinding) {
  return { ...finding, faults: finding.faults.map(faultWords) };
}

function scoreJson({ authenticated, of, percent }: Score) {
  return { authenticated: authenticated.length, services: of, percent, authenticated_services: authenticated };
}

function lines(
  services: readonly string[],
  findings: readonly RouteFinding[],
  mend: readonly string[],
  { out }: Invocation,
): string[] {
  const answers = (attempts: RouteFinding['right']): string =>
    [...new Set(attempts.map((one) => one.answer))].join(', ');
  const rows = findings.map((finding) => [
    placeOf(finding),
    finding.none,
    answers(finding.wrong),
    finding.untried === null ? answers(finding.right) : 'not tried',
    finding.recorded === null ? 'not kept' : finding.recorded ? 'found' : 'missing',
    finding.faults.length === 0
      ? { text: 'fine', style: 'green' as const }
      : { text: finding.guarded ? 'wanting' : 'open', style: 'red' as const },
  ]);
  const score = scoreOf(services, findings);
  const all = score.authenticated.length === score.of;
  return [
    ...columns(['ROUTE', 'NONE', 'WRONG', 'RIGHT', 'AUDIT', ''], rows, out),
    ...findings.flatMap((finding) => detailLines(finding)),
    ...unaskedOf(services, findings).map((service) => `${service}: ${nothingAsked}`),
    ...(mend.length === 0
      ? []
      : ['', 'These modes let strangers in. See `countersign report` for who would be refused, then:']),
    ...mend.map((command) => `  ${command}`),
    '',
    out.paint(all ? 'green' : 'red', scoreWords(score)),
  ];
}

function scoreWords({ authenticated, of, percent }: Score): string {
  return `authenticated ${authenticated.length}/${of} (${percent} %)`;
}

function detailLines(finding: RouteFinding): string[] {
  const untried = finding.untried === null ? [] : [`no right credential was tried: ${finding.untried}`];
  // What came of several forms alike is one line: of an open route that is all of them.
  const alike = Map.groupBy(finding.faults, ({ what }) => what);
  const faults = [...alike].map(([what, same]) =>
    faultWords({ attempt: same.map(({ attempt }) => attempt).join(', '), what }),
  );
  return [...faults, ...untried].map((text) => `${placeOf(finding)}: ${text}`);
}

function writeJunit(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw refused(`${file} cannot be written (${codeOf(error) ?? 'unwritable'})`);
  }
}
