/**
 * `npm run conformance`: the official suite's server scenarios of both revisions, without our gateway and through it. Fails
 * when a scenario ends otherwise through the gateway.
 */
import { compare, differences, type Outcomes, type Revision } from './compare.ts';

const revisions: readonly Revision[] = ['2025-11-25', '2026-07-28'];

function failing(outcomes: Outcomes): string[] {
  return [...outcomes].filter(([, checks]) => checks.some((check) => check.endsWith('FAILURE'))).map(([name]) => name);
}

for (const revision of revisions) {
  const comparison = await compare(revision);
  const differing = differences(comparison);
  const result = {
    revision,
    scenarios: comparison.direct.size,
    failingDirect: failing(comparison.direct),
    failingThrough: failing(comparison.through),
    differing,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  if (differing.length > 0 || comparison.direct.size === 0) process.exitCode = 1;
}
