/** What a probe leaves behind where callers are counted: nothing, while whoever only says that it is one is counted. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Report } from '../../src/audit/report/report.ts';
import { until } from '../fixtures/until.ts';
import { startProgram, startUpstream } from './program.ts';

interface Status {
  readonly status: string;
  readonly culprits: readonly { readonly caller: string; readonly request_id: string }[];
}

/** A stack whose only step is being tried: every caller of `web`, and of what has no rule. */
async function trying(t: TestContext) {
  const upstream = await startUpstream(t);
  const program = await startProgram(t, {
    yaml: `mode: report
callers: [web]
trustedProxies: [127.0.0.1]
services:
  embeddings:
    upstream: ${upstream.url}
    routes:
      - { path: /embed, callers: [web] }
      - { path: /open }
`,
  });
  const plan = join(program.folder, 'ramp.yaml');
  writeFileSync(plan, "steps: [{ routes: ['*'] }]\n");
  const begun = await program.cli(['ramp', 'start', plan]);
  assert.equal(begun.code, 0, begun.stderr);
  const json = async <T>(...args: string[]): Promise<T> => {
    const { stdout, stderr } = await program.cli([...args, '--output', 'json']);
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout) as T;
  };
  const claim = {
    'x-service-id': 'web',
    'x-service-signature': 'ab'.repeat(32),
    'x-service-timestamp': `${Math.floor(Date.now() / 1000)}`,
  };
  const status = () => json<Status>('ramp', 'status');
  const isStrangerRefused = async (): Promise<boolean> =>
    (await fetch(`${program.origin}/embeddings/embed`)).status === 401;
  await until(isStrangerRefused, 'the server has heard of the ramp');
  return {
    ...program,
    json,
    status,
    async withdrawn(): Promise<Status> {
      await until(async () => !(await isStrangerRefused()), 'the step was taken back');
      return status();
    },
    ask: (headers: Record<string, string>) =>
      fetch(`${program.origin}/embeddings/embed`, { headers: { ...claim, ...headers } }),
  };
}

test('a probe while a step is tried leaves it as it is, and teaches nothing', async (t) => {
  const { json, cli, status, origin } = await trying(t);
  for (let run = 0; run < 3; run += 1) {
    const { code, stdout } = await cli(['probe']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^GET +\/embeddings\/embed +401 +401 .* found +fine$/m);
  }
  const step = await status();
  assert.deepEqual([step.status, step.culprits], ['running', []]);

  const { callers, would_deny_groups: groups } = await json<Report>('report');
  assert.deepEqual([callers.map(({ caller }) => caller), groups], [[''], []], 'only who waited for the ramp');
  assert.doesNotMatch((await cli(['report'])).stdout, /Not ready/);
  const learned = await cli(['learn', '--min-requests', '1', '--min-times', '1']);
  assert.doesNotMatch(learned.stdout, /countersign-probe|looks public/);
  const metrics = await (await fetch(`${origin}/metrics`)).text();
  assert.match(metrics, /^countersign_decisions_total\{service="embeddings"/m);
  assert.doesNotMatch(metrics, /unknown_service|outcome="allow"/);
  const rows = await cli(['audit', 'tail', '--output', 'json']);
  assert.match(rows.stdout, /"probe:[^"]+"/);
});

test('asking by sign --send what becomes of a request takes no step back where the store is at hand', async (t) => {
  const { cli, status, origin, folder, json } = await trying(t);
  assert.equal((await cli(['keys', 'create', 'web', '--kind', 'hs'])).code, 0);
  const wrong = join(folder, 'wrong.key');
  writeFileSync(wrong, 'ab'.repeat(32), { mode: 0o600 });
  for (const scheme of ['service-signature', 'http-signature']) {
    const keyid = scheme === 'http-signature' ? ['--keyid', 'web'] : ['--service', 'web'];
    const url = `${origin}/embeddings/embed`;
    const asked = await cli(['sign', '--scheme', scheme, ...keyid, '--key-file', wrong, '--send', 'GET', url]);
    assert.equal(asked.code, 1);
    assert.match(asked.stdout, /401[^]*another key/);
  }
  const step = await status();
  assert.deepEqual([step.status, step.culprits], ['running', []]);
  const { callers } = await json<Report>('report');
  assert.deepEqual(
    callers.map(({ caller }) => caller),
    [''],
    'only who waited for the ramp',
  );
});

test('who only says that it is a probe counts like anybody else', async (t) => {
  const { ask, withdrawn } = await trying(t);
  const answer = await ask({ 'x-countersign-probe': 'me', 'x-countersign-probe-run': 'A'.repeat(43) });
  assert.deepEqual([answer.status, answer.headers.get('x-countersign-probe')], [204, 'would_deny']);
  const found = await withdrawn();
  assert.equal(found.status, 'withdrawn');
  assert.deepEqual(
    found.culprits.map(({ caller, request_id: id }) => [caller, id]),
    [['service:web?', 'probe-me']],
  );
});

for (const id of ['probe:me', 'probe-me'])
  test(`who brings the request id ${id} along counts like anybody else`, async (t) => {
    const { ask, withdrawn } = await trying(t);
    assert.equal((await ask({ 'x-request-id': id })).status, 200, 'the first one passes, and the step goes back');
    const found = await withdrawn();
    assert.deepEqual([found.status, found.culprits[0]?.request_id === 'probe:me'], ['withdrawn', false]);
  });
