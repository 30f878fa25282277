/** The probe against the real server: what it proves, what it finds, and that it reaches nothing. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../../../test/fixtures/free-port.ts';
import { runCli, startUpstream, type Program } from '../../../../test/e2e/program.ts';
import { startServer } from '../../../../test/fixtures/cli-here.ts';
import { until } from '../../../../test/fixtures/until.ts';

interface Attempt {
  readonly form: string;
  readonly answer: string;
}

interface Printed {
  readonly authenticated: number;
  readonly services: number;
  readonly percent: number;
  readonly routes: readonly {
    readonly service: string;
    readonly route: string;
    readonly method: string;
    readonly none: string;
    readonly wrong: readonly Attempt[];
    readonly right: readonly Attempt[];
    readonly untried: string | null;
    readonly recorded: boolean | null;
    readonly faults: readonly string[];
  }[];
  readonly repairs: readonly string[];
}

async function probed(program: Program, ...args: string[]): Promise<Printed & { code: number | null }> {
  const { code, stdout, stderr } = await program.cli(['probe', '--output', 'json', ...args]);
  assert.notEqual(stdout, '', stderr);
  return { ...(JSON.parse(stdout) as Printed), code };
}

const services = (upstream: string): string => `services:
  embeddings:
    upstream: ${upstream}
    routes:
      - { path: /health, access: public }
      - { path: /embed, methods: [POST], callers: [aidb], scopes: [embed:write] }
      - { path: /models/:name, methods: [DELETE], access: service }
      - { path: /admin, access: operator }
  aidb:
    upstream: ${upstream}
    authorization: upstream
  signed:
    upstream: ${upstream}
    accept: [http-signature, service-signature]
`;

test('every route is tried in every form, every decision is found, and no request reaches a service', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: `mode: enforce\n${services(upstream.url)}` });
  const { code, routes, ...score } = await probed(program);
  assert.deepEqual(
    routes.flatMap(({ faults }) => faults),
    [],
  );
  assert.deepEqual([code, score.authenticated, score.services, score.percent], [0, 3, 3, 100]);
  assert.deepEqual(
    routes.map(({ method, service, route, right }) => [`${method} ${service}${route}`, right.map(({ form }) => form)]),
    [
      ['POST embeddings/embed', ['Bearer', 'x-api-key', 'service-signature', 'http-signature']],
      ['DELETE embeddings/models/:name', ['Bearer', 'x-api-key', 'service-signature', 'http-signature']],
      ['GET embeddings/admin', []],
      ['GET embeddings*', ['Bearer', 'x-api-key', 'service-signature', 'http-signature', 'session token']],
      ['GET aidb*', ['x-api-key', 'service-signature', 'http-signature']],
      ['GET signed*', ['service-signature', 'http-signature']],
    ],
  );
  for (const { none, wrong, right, recorded, route } of routes) {
    assert.equal(none, '401');
    assert.ok(wrong.length >= 2 && wrong.every(({ answer }) => answer === '401'), JSON.stringify(wrong));
    assert.ok(
      right.every(({ answer }) => answer === 'passes (allow)'),
      JSON.stringify(right),
    );
    assert.equal(recorded, true, route);
  }
  assert.match(routes[2]?.untried ?? '', /only an operator/);
  assert.deepEqual(upstream.requests, []);

  const keys = JSON.parse((await program.cli(['keys', 'list', '--all', '--output', 'json'])).stdout) as {
    revoked_at: string | null;
  }[];
  assert.ok(keys.length > 0);
  assert.ok(keys.every(({ revoked_at: at }) => at !== null));
  const tokens = await program.cli(['tokens', 'list', '--output', 'json']);
  assert.deepEqual(JSON.parse(tokens.stdout), []);
});

test('a service in report or off is open, and what it prints closes it', async (t) => {
  const upstream = await startUpstream(t);
  const yaml = `mode: report\nservices:
  one: { upstream: "${upstream.url}", mode: enforce }
  two: { upstream: "${upstream.url}" }
  three: { upstream: "${upstream.url}", mode: off }
  four:
    upstream: ${upstream.url}
    mode: enforce
    routes: [{ path: /slow, mode: report }]
  five:
    upstream: ${upstream.url}
    routes: [{ path: /*, access: public }]
`;
  const program = await startServer(t, { yaml });
  const before = await program.cli(['probe']);
  assert.equal(before.code, 1, before.stderr);
  assert.match(before.stdout, /^authenticated 1\/5 \(20 %\)$/m);
  assert.match(before.stdout, /^GET \/three\/\* +passes \(off\) +passes \(off\) +passes \(off\) +found +open$/m);
  assert.match(
    before.stdout,
    /^GET \/two\/\*: without a credential, wrong Bearer, wrong x-api-key, .*wrong session token: passes \(would_deny\), not 401$/m,
  );
  assert.deepEqual(upstream.requests, []);
  const commands = [...before.stdout.matchAll(/^ {2}countersign (.*)$/gm)].map((match) => match[1] as string);
  const set = `mode set --config ${join(program.folder, 'countersign.yaml')} enforce`;
  assert.deepEqual(commands, [set, `${set} three`, `${set} four/slow`]);
  for (const command of commands) assert.equal((await runCli(command.split(' '), { cwd: program.folder })).code, 0);
  // The last of them.
  await until(async () => (await fetch(`${program.origin}/four/slow`)).status === 401);
  const file = join(program.folder, 'probe.xml');
  const after = await probed(program, '--junit', file);
  assert.deepEqual([after.code, after.authenticated, after.repairs], [1, 4, []]);
  assert.match(before.stdout, /^five: no route of it asks for a credential$/m);
  const xml = readFileSync(file, 'utf8');
  assert.match(xml, /<testsuites name="countersign probe" tests="6" failures="1">/);
  assert.match(xml, /<failure message="no route of it asks for a credential"\/>/);
});

test('a key that does not get in, and a decision that nobody kept, are found', async (t) => {
  const upstream = await startUpstream(t);
  const yaml = `mode: enforce\nservices: { one: { upstream: "${upstream.url}" } }\n`;
  const program = await startServer(t, { yaml });
  const file = join(program.folder, 'some.key');
  writeFileSync(file, 'nobody-knows-this-key', { mode: 0o600 });
  const wrong = await probed(program, '--key-file', file);
  assert.equal(wrong.code, 1);
  assert.match(wrong.routes[0]?.faults.join('\n') ?? '', /^right Bearer: 401: invalid_credentials/);

  // A store that is not the server's keeps none of its decisions.
  const elsewhere = join(program.folder, 'elsewhere.yaml');
  const config = readFileSync(join(program.folder, 'countersign.yaml'), 'utf8');
  writeFileSync(elsewhere, config.replace('sqlite:state.db', 'sqlite:other.db'));
  writeFileSync(file, (await program.cli(['keys', 'create', 'me'])).stdout);
  const { code, stdout } = await runCli(['probe', '--key-file', file, '--config', elsewhere], { cwd: program.folder });
  assert.equal(code, 1);
  assert.match(stdout, /^GET \/one\/\*: 8 of 8 decisions are not in the audit$/m);
  assert.match(stdout, /^authenticated 1\/1 \(100 %\)$/m);
});

test('what does not know the mark is asked nothing with a credential', async (t) => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(JSON.stringify(request.headers));
    response.end('fine');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const upstream = await startUpstream(t);
  const program = await startServer(t, {
    yaml: `mode: enforce\nservices: { one: { upstream: "${upstream.url}" } }\n`,
  });
  const { port } = server.address() as AddressInfo;
  const there = await program.cli(['probe', '--url', `http://127.0.0.1:${port}`]);
  assert.equal(there.code, 1);
  assert.match(there.stderr, /does not know x-countersign-probe, so nothing was tried/);
  assert.equal(seen.length, 1);
  assert.doesNotMatch(seen[0] ?? '', /authorization|x-api-key|signature/i);

  const nobody = await program.cli(['probe', '--url', `http://127.0.0.1:${await freePort()}`]);
  assert.equal(nobody.code, 3, nobody.stderr);
  for (const url of ['ftp://x', 'http://a:b@127.0.0.1', 'http://127.0.0.1/x', 'here'])
    assert.equal((await program.cli(['probe', '--url', url])).code, 2, url);
  assert.equal((await program.cli(['probe', '--service', 'nine'])).code, 1);
});
