/** What the pages read is what the operators' API answers: each shape is held against a real answer, by the compiler. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { keepCheckResult } from '../../src/audit/check-result.ts';
import type { Stack } from '../../src/compose/stack.ts';
import { createKey } from '../../src/keys/create.ts';
import { beginRotation } from '../../src/keys/rotation/rotate.ts';
import { changeRamp } from '../../src/rollout/ramp/record.ts';
import { rolledBack } from '../../src/rollout/ramp/state.ts';
import { decisionRow } from '../../src/stores/store.fixtures.ts';
import { startAuthority } from '../fixtures/authority-stack.ts';
import { loggedIn, quick } from '../fixtures/operator.ts';

const root = join(import.meta.dirname, '../..');

const yaml = `mode: report
callers: [aidb]
services:
  embeddings:
    upstream: http://127.0.0.1:1
    hosts: [embeddings.example.org]
    listen: 127.0.0.1:8999
    routes:
      - { path: /embed, methods: [POST] }
      - { path: /list, callers: [aidb], scopes: [embed:read] }
`;

/** Where the answer is: the shape, and at what of the data it stands. */
const answers: Readonly<Record<string, readonly [path: string, shape: string]>> = {
  session: ['session', 'Session'],
  status: ['status', 'Status'],
  services: ['services', '{ services: readonly Service[] }'],
  modes: ['modes', '{ modes: readonly ModeLine[]; ramped: readonly RampedRoute[] }'],
  keys: ['keys', '{ keys: readonly KeyLine[] }'],
  tokens: ['tokens', '{ tokens: readonly TokenLine[]; truncated: boolean }'],
  traffic: ['traffic?since=1h', '{ edges: readonly Edge[] }'],
  report: ['report?since=1h', 'Report'],
  decisions: ['decisions?caller=service:ingest%3F&limit=2', '{ decisions: readonly Decision[] }'],
  events: ['events', '{ events: readonly AuditEvent[] }'],
  ramp: ['ramp', '{ ramp: Ramp }'],
  checks: ['checks', '{ checks: Record<string, CheckResult> }'],
  learn: ['learn?since=1h', 'Learned'],
};

/** What stays empty here, and so is held against nothing. */
const unfilled = [
  'keys.keys[].allowed_ips[]',
  'learn.by_hand[]',
  'report.recorded_ahead',
  'report.service',
  'services.services[].mount',
  'services.services[].routes[].allowed_ips[]',
  'status.warnings[]',
  'tokens.tokens[].allowed_ips[]',
];

test('each shape that a page reads is what the API answers', async (t) => {
  const { folder, stack, ask } = await place(t);
  await fill(stack);
  const lines: string[] = [];
  const empty: string[] = [];
  for (const [name, [path, shape]] of Object.entries(answers)) {
    const data = await ask(path);
    empty.push(...emptyIn(data, name));
    // In two steps, since a page reads a part of what is there, and a literal must have no more than its type.
    lines.push(`const ${name} = ${JSON.stringify(data)} as const;`, `${name} satisfies Whole<${shape}>;`);
  }
  assert.deepEqual(empty.sort(), unfilled.toSorted());
  writeFileSync(join(folder, 'answers.mts'), `${preamble}${lines.join('\n')}\nexport {};\n`);
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions: { types: [] }, include: ['answers.mts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { stdio: ['ignore', 'inherit', 'inherit'] });
});

const preamble = `import type { ${shapeNames().join(', ')} } from '${join(root, 'dashboard/src/shapes.ts')}';
/** With what may be missing, too: else a name that the API does not know would be missed by nobody. */
type Whole<T> = T extends object ? { [K in keyof T]-?: Whole<T[K]> } : T;
`;

function shapeNames(): string[] {
  const named = Object.values(answers).flatMap(([, shape]) => shape.match(/[A-Z]\w+/g) ?? []);
  return named.filter((name) => name !== 'Record');
}

async function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-shapes-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { stack, adminOrigin } = await startAuthority(t, { yaml, file: join(folder, 'countersign.yaml'), ...quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const ask = async (path: string): Promise<unknown> => {
    const { status, data, body } = await page.ask('GET', `/${path}`);
    assert.equal(status, 200, `${path}: ${body.error}`);
    return data;
  };
  await page.ask('POST', '/ramp', { plan: 'steps: [{ routes: [embeddings/embed] }, { routes: [embeddings/*] }]' });
  await page.ask('POST', '/ramp/promote', {});
  await page.ask('PUT', '/modes', { scope: 'embeddings/list', mode: 'enforce', reason: 'it may' });
  return { folder, stack, ask };
}

/** Of everything something, so that no list is empty and nothing is null in each of its lines. */
async function fill(stack: Stack): Promise<void> {
  const { store, seal, tokens } = stack;
  const now = stack.clock();
  const order = { service: 'aidb', kind: 'sk', expiresAt: now + 86_400, scopes: ['embed:read'], now } as const;
  const { record } = await createKey(store, seal, order);
  const next = await beginRotation(record, { store, seal, now, expiresAt: null });
  const use = { credentialId: record.id, caller: 'service:aidb', clientAddress: '10.0.0.7', count: 1 };
  await store.usage.add([{ ...use, firstUsed: now, lastUsed: now }]);
  await store.keys.revoke(next.record.id, now);
  await tokens.mint({
    ttlSeconds: 3600,
    scopes: ['embed:read'],
    allowedIps: [],
    clientId: 'nightly',
    metadata: {},
    createdBy: 'operator:ana',
  });
  const refused = { outcome: 'would_deny', reason: 'invalid_signature', skewSeconds: 3 } as const;
  const kinds = [
    { principal: 'service:aidb', skewSeconds: 2 },
    { ...refused, principal: 'service:aidb' },
    { ...refused, outcome: 'deny', principal: 'service:aidb' } as const,
    { ...refused, principal: '', claimed: 'service:ingest' },
    { ...refused, reason: 'missing_credentials', principal: '', path: '/health', route: '*' },
    { ...refused, outcome: 'deny', mode: 'enforce', reason: 'missing_credentials', principal: '' } as const,
  ];
  const minutes = Array.from({ length: 12 }, (_, minute) => now - minute * 60);
  await store.decisions.append(
    minutes.flatMap((time) => kinds.map((kind) => ({ ...decisionRow(0, kind), time, service: 'embeddings' }))),
  );
  const culprit = { caller: 'service:aidb', route: 'embeddings/embed', reason: 'expired', requestId: 'r1' };
  await changeRamp(store.records, stack.clock, (ramp) => {
    const stopped = ramp && rolledBack(ramp, 0, ['one was refused'], [culprit]);
    return stopped && { ...stopped, since: now - 3600 };
  });
  const finding = {
    severity: 'high',
    place: '.env:3',
    what: 'a key',
    why: 'it is seen',
    repair: ['delete it'],
  } as const;
  for (const check of ['doctor', 'probe'] as const)
    await keepCheckResult(store.records, {
      check,
      at: now,
      by: 'cli:root',
      from: 'here',
      summary: '1 finding',
      findings: [finding],
    });
}

/** Places where nothing ever stands: null in every line, or a list without any. */
function emptyIn(data: unknown, name: string): string[] {
  const filled = new Map<string, boolean>();
  const look = (value: unknown, at: string): void => {
    filled.set(at, filled.get(at) === true || value !== null);
    if (Array.isArray(value)) {
      filled.set(`${at}[]`, filled.get(`${at}[]`) === true);
      for (const each of value) look(each, `${at}[]`);
    } else if (typeof value === 'object' && value !== null)
      for (const [key, each] of Object.entries(value)) look(each, `${at}.${key}`);
  };
  look(data, name);
  return [...filled].filter(([, isFilled]) => !isFilled).map(([at]) => at);
}
