import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { KeyKind, KeyRecord } from '../../core/credential.ts';
import { sealWith } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { createKey } from '../create.ts';
import { lineageOf } from '../lineage.ts';
import { beginRotation } from './rotate.ts';
import { isDue, rotateDue, type RotateDueOptions, type RotationRule } from './rotate-due.ts';
import type { RotationStep } from './rotate-into.ts';
import { fileTarget, isSecretOf } from '../targets/index.ts';

const seal = sealWith('ab'.repeat(32));
const t0 = 1_800_000_000;
const day = 86_400;

async function stack(t: TestContext, rule: Partial<RotationRule> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-due-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'key');
  const target = fileTarget({ path, form: 'key' });
  const ruleInForce: RotationRule = { everySeconds: 90 * day, graceSeconds: day, target, ...rule };
  const store = memoryStore();
  let time = t0;
  const clock = () => time;
  const make = (kind: KeyKind = 'sk', expiresAt: number | null = null, service = 'aidb') =>
    createKey(store, seal, { service, kind, expiresAt, now: time });
  return {
    store,
    path,
    make,
    write: (text: string) => writeFileSync(path, text, { mode: 0o600 }),
    holds: (record: KeyRecord) => isSecretOf(readFileSync(path, 'utf8').trimEnd(), record),
    at: (to: number) => void (time = to),
    stageOf: async ({ id }: KeyRecord) => {
      const records = await store.keys.list();
      return lineageOf(records, time).stageOf(records.find((one) => one.id === id) ?? assert.fail());
    },
    async run(more: Partial<RotateDueOptions> = {}) {
      const common = { store, seal, clock, ruleOf: () => ruleInForce, settleMillis: 1, mayGoOn: async () => true };
      const duties = await rotateDue({ ...common, ...more });
      return duties.map((duty) => `${duty.kind} ${duty.key.id}${duty.kind === 'failed' ? ` ${duty.why}` : ''}`);
    },
    use: (record: KeyRecord) =>
      store.usage.add([
        {
          credentialId: record.id,
          caller: 'service:aidb',
          clientAddress: '10.0.0.7',
          firstUsed: time,
          lastUsed: time,
          count: 1,
        },
      ]),
  };
}

test('a key is due at its age, or when its end is near, but not from its first day on', () => {
  const key = (life: number | null): KeyRecord =>
    ({ createdAt: t0, expiresAt: life === null ? null : t0 + life }) as KeyRecord;
  const due = (life: number | null, every: number | null, age: number): boolean =>
    isDue(key(life), { everySeconds: every }, t0 + age);
  assert.deepEqual([due(null, 90 * day, 90 * day - 1), due(null, 90 * day, 90 * day)], [false, true]);
  assert.deepEqual([due(90 * day, 90 * day, 76 * day - 1), due(90 * day, 90 * day, 76 * day)], [false, true]);
  assert.deepEqual([due(8 * day, 90 * day, 6 * day - 1), due(8 * day, 90 * day, 6 * day)], [false, true]);
  assert.equal(due(null, null, 9999 * day), false);
});

test('a key of age is replaced where its caller reads it, and ended only when the new one is in use and it is not', async (t) => {
  const { store, make, write, holds, at, stageOf, run, use } = await stack(t);
  const { record: old, key } = await make();
  write(key);
  assert.deepEqual(await run(), []);
  at(t0 + 90 * day);
  assert.deepEqual(await run(), [`rotated ${old.id}`]);
  const next = (await store.keys.list()).find(({ replaces }) => replaces === old.id) ?? assert.fail();
  assert.ok(holds(next));
  assert.deepEqual(
    [await stageOf(old), await stageOf(next), (await store.keys.get(old.id))?.expiresAt],
    ['previous', 'current', null],
  );
  at(t0 + 95 * day);
  assert.deepEqual(await run(), [], 'the new one has not been used: its caller may not have read it');
  await use(old);
  await use(next);
  at(t0 + 96 * day - 1);
  assert.deepEqual(await run(), [], 'the old one was used within its grace');
  at(t0 + 96 * day);
  assert.deepEqual(await run(), [`retired ${old.id}`]);
  assert.deepEqual(await store.keys.revocations(), [old.digest]);
  assert.deepEqual(await run(), []);
});

test('what was broken off at any step is taken up, and no key that was handed out is ended by it', async (t) => {
  for (const step of ['created', 'known', 'delivered', 'finished'] as const) {
    const { store, make, write, holds, at, stageOf, run } = await stack(t);
    const { record: old, key } = await make();
    write(key);
    at(t0 + 90 * day);
    const breakOff = (reached: RotationStep): void => {
      if (reached === step) throw new Error('the power went');
    };
    assert.deepEqual(await run({ onStep: breakOff }), [`failed ${old.id} the power went`], step);
    at(t0 + 90 * day + 60);
    const resumed = await run();
    assert.equal(resumed.length, step === 'finished' ? 0 : 1, step);
    const alive = (await store.keys.list()).filter(({ revokedAt }) => revokedAt === null);
    const current = alive.find(holds) ?? assert.fail(step);
    assert.equal(await stageOf(current), 'current', step);
    assert.equal(await stageOf(old), 'previous', step);
    assert.deepEqual(await run(), [], step);
  }
});

test('broken off between giving up a lost key and making another, it is taken up too', async (t) => {
  const { store, make, write, holds, at, run } = await stack(t);
  const { record: old, key } = await make();
  write(key);
  const lost = await beginRotation(old, { store, seal, now: t0 });
  await store.keys.promote(lost.record.id, null);
  at(t0 + 60);
  assert.deepEqual(await run(), [`rotated ${lost.record.id}`]);
  assert.equal((await store.keys.list()).filter(holds)[0]?.replaces, lost.record.id);
});

test('a pending key that somebody made a moment ago is left to them, and a lost one is replaced', async (t) => {
  const { store, make, write, at, run, stageOf } = await stack(t);
  const { record: old, key } = await make();
  write(key);
  const made = await beginRotation(old, { store, seal, now: t0 });
  at(t0 + 59);
  assert.deepEqual(await run(), []);
  assert.equal(await stageOf(made.record), 'pending');
  at(t0 + 60);
  assert.deepEqual(await run(), [`rotated ${old.id}`]);
  assert.equal(await stageOf(made.record), 'previous', 'it may have been printed: it still counts');
});

test('without a place to put it a key is only due; so are two keys that one place would hold', async (t) => {
  const nowhere = await stack(t, { target: null });
  const { record } = await nowhere.make();
  nowhere.at(t0 + 90 * day);
  assert.deepEqual(await nowhere.run(), [`due ${record.id}`]);

  const shared = await stack(t);
  const [one, other] = [await shared.make('sk'), await shared.make('hs')];
  shared.at(t0 + 90 * day);
  assert.deepEqual((await shared.run()).sort(), [`due ${one.record.id}`, `due ${other.record.id}`].sort());
  shared.write(other.key);
  assert.deepEqual((await shared.run()).sort(), [`due ${one.record.id}`, `rotated ${other.record.id}`].sort());
});

test('one key that fails holds up no other, and whoever loses the lead changes nothing more', async (t) => {
  const good = await stack(t);
  const bad = await good.make('sk', null, 'bad');
  const { record } = await good.make('sk', null, 'good');
  good.at(t0 + 90 * day);
  const folderless = fileTarget({ path: '/nonexistent/key', form: 'key' });
  const ruleOf = (service: string): RotationRule => ({
    everySeconds: 90 * day,
    graceSeconds: day,
    target: service === 'bad' ? folderless : fileTarget({ path: good.path, form: 'key' }),
  });
  assert.deepEqual(await good.run({ ruleOf, mayGoOn: async () => false }), []);
  assert.equal((await good.store.keys.list()).length, 2);
  const duties = await good.run({ ruleOf });
  assert.match(
    duties.find((duty) => duty.includes(bad.record.id)) ?? '',
    /^failed \w+ \/nonexistent\/key cannot be written/,
  );
  assert.ok(duties.includes(`rotated ${record.id}`));
});
