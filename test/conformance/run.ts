/**
 * `npm run conformance`: the official suite's server scenarios of both revisions, without our gateway and through it. Fails
 * when a scenario ends otherwise through the gateway. `npm run conformance -- FOLDER` runs all scenarios of another release of
 * the suite, which npm has installed in that folder.
 */
import { join } from 'node:path';
import { compare, differences, requirementsOf, type Outcomes, type Suite } from './compare.ts';

const program = 'node_modules/@modelcontextprotocol/conformance/dist/index.js';
const [folder] = process.argv.slice(2);
const suites: Readonly<Record<string, Suite>> =
  folder === undefined
    ? { '2025-11-25': requirementsOf('2025-11-25'), '2026-07-28': requirementsOf('2026-07-28') }
    : { all: { program: join(folder, program), arguments: ['--suite', 'all'] } };

function failing(outcomes: Outcomes): string[] {
  return [...outcomes].filter(([, checks]) => checks.some((check) => check.endsWith('FAILURE'))).map(([name]) => name);
}

for (const [revision, suite] of Object.entries(suites)) {
  const comparison = await compare(suite);
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
