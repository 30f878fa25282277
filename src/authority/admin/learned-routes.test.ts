import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { adminToken, bearer, startAuthority } from '../../../test/fixtures/authority-stack.ts';

const yaml = `mode: report
callers: [web, aidb] # not for everybody: hunter2
services:
  embeddings:
    upstream: http://127.0.0.1:1
    routes:
      - { path: /embed, methods: [POST] }
name: ours # nor this: hunter2
`;

interface Data {
  readonly requests: number;
  readonly untaught: number;
  readonly diff: string;
  readonly proposals: readonly {
    readonly kind: string;
    readonly path: string;
    readonly callers: string[] | null;
    readonly minutes: number;
  }[];
  readonly matrix: readonly { readonly caller: string }[];
}

async function place(t: TestContext, inFile = true) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-learned-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'countersign.yaml');
  const { adminOrigin, stack } = await startAuthority(t, { yaml, ...(inFile && { file }) });
  const ask = async (query = '') => {
    const answer = await fetch(`${adminOrigin}/admin/api/learn${query}`, { headers: bearer(adminToken) });
    const { data, error = '' } = (await answer.json()) as { data?: Data; error?: string };
    return { status: answer.status, data: data as Data, error };
  };
  return { folder, file, stack, ask };
}

test('the routes as they were used are a diff that fits the file and shows nothing else of it', async (t) => {
  const { folder, file, stack, ask } = await place(t);
  const rows = [{}, { principal: 'service:aidb' }, { route: '*', path: '/models', method: 'GET' }];
  const start = stack.clock() - 1800;
  await stack.store.decisions.append(
    rows.flatMap((row) =>
      Array.from({ length: 10 }, (_, minute) => ({ ...decisionRow(minute, row), time: start + minute * 60 })),
    ),
  );
  const { status, data } = await ask('?since=1h');
  assert.equal(status, 200);
  assert.equal(data.requests, 30);
  assert.deepEqual(
    data.proposals.map(({ kind, path, callers, minutes }) => [kind, path, callers?.join(), minutes]),
    [
      ['narrow', '/embed', 'aidb,web', 10],
      ['add', '/models', 'web', 10],
      ['add', '/*', undefined, 10],
    ],
  );
  assert.ok(data.matrix.some(({ caller }) => caller === 'service:aidb'));
  assert.doesNotMatch(JSON.stringify(data), /hunter2/);
  assert.match(data.diff, /^@@ -8,1 \+8,6 @@ embeddings$/m);
  writeFileSync(join(folder, 'routes.diff'), data.diff);
  const patched = spawnSync('patch', ['-p0', '-i', 'routes.diff'], { cwd: folder, encoding: 'utf8' });
  if (patched.error === undefined) {
    assert.equal(patched.status, 0, patched.stdout + patched.stderr);
    assert.match(readFileSync(file, 'utf8'), /callers: \[ ?aidb, web ?\] \}\n/);
    const again = await ask('?since=1h');
    assert.equal(again.error, '');
    assert.equal(again.data.diff, '', 'what was learned is not proposed again');
  }
});

test('one proposal is made at a time, and who asks for another is to come again', async (t) => {
  const { stack, ask } = await place(t);
  const { list } = stack.store.decisions;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  t.mock.method(stack.store.decisions, 'list', async (...given: Parameters<typeof list>) => {
    begin();
    await gate;
    return list(...given);
  });
  const first = ask('?since=1h');
  await begun;
  assert.equal((await ask('?since=2h')).status, 503);
  const second = ask('?since=1h');
  open();
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
  assert.equal((await ask('?since=2h')).status, 200);
});

test('a file that cannot be read as it is, or none at all, is said in words', async (t) => {
  const { file, ask } = await place(t);
  appendFileSync(file, 'nonsense: hunter2\n');
  const broken = await ask();
  assert.equal(broken.status, 400);
  assert.match(broken.error, /countersign validate/);
  assert.doesNotMatch(broken.error, /hunter2/);
  assert.equal((await ask('?since=ever')).status, 400);
  assert.equal((await (await place(t, false)).ask()).status, 404);
});

test('where what was asked for is too little to teach anything, that is said, and of how many routes', async (t) => {
  const { stack, ask } = await place(t);
  const start = stack.clock() - 1800;
  const asked = [{}, { route: '*', path: '/models', method: 'GET' }];
  const rows = asked.flatMap((row) => [decisionRow(0, row), decisionRow(1, row)]);
  await stack.store.decisions.append(rows.map((row) => ({ ...row, time: start })));
  const { data } = await ask('?since=1h');
  assert.deepEqual([data.requests, data.diff, data.proposals, data.untaught], [4, '', [], 2]);
  assert.equal((await ask('?since=1s')).data.untaught, 0, 'where nothing was asked for');
});
