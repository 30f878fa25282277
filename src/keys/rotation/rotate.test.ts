import assert from 'node:assert/strict';
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { KeyKind, KeyRecord } from '../../core/credential.ts';
import { sealWith } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { createKey } from '../create.ts';
import { lineageOf, type Stage } from '../lineage.ts';
import { retireKey } from './retire.ts';
import { beginRotation, finishRotation, keyToRotate, supersede } from './rotate.ts';
import { rotateInto, type RotateIntoOptions, type RotationStep } from './rotate-into.ts';
import { fileTarget, isSecretOf, type KeyTarget } from '../targets/index.ts';

const seal = sealWith('ab'.repeat(32));
const now = 1_800_000_000;
const day = 86_400;
const kinds: readonly KeyKind[] = ['sk', 'hs', 'ed25519'];

async function stackWith(kind: KeyKind = 'sk', expiresAt: number | null = null) {
  const store = memoryStore();
  const order = { service: 'aidb', kind, expiresAt, now, scopes: ['embed:write'], allowedIps: ['10.0.0.0/8'] };
  const { record: old, key } = await createKey(store, seal, order);
  const stages = async (at = now): Promise<Record<string, Stage | null>> => {
    const records = await store.keys.list();
    const lineage = lineageOf(records, at);
    return Object.fromEntries(records.map((record) => [record.id, lineage.stageOf(record)]));
  };
  return { store, old, key, stages };
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-rotate-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

for (const kind of kinds) {
  test(`a ${kind} key and its successor both count, until the old one has had its grace`, async () => {
    const { store, old, stages } = await stackWith(kind, now + 90 * day);
    const begun = await beginRotation(old, { store, seal, now: now + 80 * day });
    assert.deepEqual(await stages(), { [old.id]: 'current', [begun.record.id]: 'pending' });
    assert.ok(isSecretOf(begun.key, begun.record) && !isSecretOf(begun.key, old));
    const { service, scopes, allowedIps, expiresAt } = begun.record;
    assert.deepEqual(
      [service, begun.record.kind, scopes, allowedIps, expiresAt],
      ['aidb', kind, old.scopes, old.allowedIps, now + 170 * day],
      'it may do what the old one may, and lives as long',
    );
    await finishRotation(store, begun.record.id, now + 81 * day, now + 80 * day);
    assert.deepEqual(await stages(now + 80 * day), { [old.id]: 'previous', [begun.record.id]: 'current' });
    assert.equal((await store.keys.get(old.id))?.expiresAt, now + 81 * day);
    assert.deepEqual(await stages(now + 81 * day), { [old.id]: null, [begun.record.id]: 'current' });
  });
}

test('a second rotation is refused while the first is pending, and a lost key is replaced without being ended', async () => {
  const { store, old, stages } = await stackWith();
  const lost = await beginRotation(old, { store, seal, now });
  await assert.rejects(beginRotation(old, { store, seal, now }), { code: 'rotation_pending' });
  const superseded = await supersede(store, lost.record);
  const next = await beginRotation(superseded, { store, seal, now: now + 1 });
  assert.deepEqual(await stages(), { [old.id]: 'previous', [lost.record.id]: 'current', [next.record.id]: 'pending' });
  await finishRotation(store, next.record.id, now + day, now + 1);
  assert.deepEqual(await stages(now + 1), {
    [old.id]: 'previous',
    [lost.record.id]: 'previous',
    [next.record.id]: 'current',
  });
  assert.deepEqual(
    (await store.keys.list()).map(({ expiresAt }) => expiresAt),
    [now + day, now + day, null],
    'the end is that of all keys before',
  );
});

test('a new key that was revoked does not become current, and the old one stays', async () => {
  const { store, old, stages } = await stackWith();
  const { record } = await beginRotation(old, { store, seal, now });
  await store.keys.revoke(record.id, now);
  await assert.rejects(finishRotation(store, record.id, now + day, now), { code: 'revoked_key' });
  assert.deepEqual(await stages(), { [old.id]: 'current', [record.id]: null });
});

test('a name means the one current key of a service; else the id is asked for', async () => {
  const { store, old } = await stackWith();
  const { record: other } = await createKey(store, seal, { service: 'aidb', kind: 'hs', expiresAt: null, now });
  const choose = async (name: string, kind: KeyKind | null = null) => {
    const records = await store.keys.list();
    return keyToRotate(records, lineageOf(records, now), name, { kind, now }).id;
  };
  assert.equal(await choose('aidb', 'sk'), old.id);
  assert.equal(await choose(other.id), other.id);
  await assert.rejects(choose('aidb'), {
    code: 'ambiguous_key',
    message: new RegExp(`(?=.*${old.id} \\(sk )(?=.*${other.id} \\(hs )`),
  });
  await assert.rejects(choose('nobody'), { code: 'unknown_key' });
  await assert.rejects(choose('aidb', 'ed25519'), { code: 'unknown_key', message: /kind ed25519/ });
  const { record: next } = await beginRotation(old, { store, seal, now });
  await assert.rejects(choose(next.id), { message: new RegExp(`is the new one of a rotation of ${old.id}`) });
  await finishRotation(store, next.id, null, now);
  await assert.rejects(choose(old.id), { message: new RegExp(`replaced already: the current one is ${next.id}`) });
  assert.equal(await choose('aidb', 'sk'), next.id);
  await store.keys.revoke(other.id, now);
  await assert.rejects(choose(other.id), { code: 'revoked_key' });
});

const use = { caller: 'service:aidb', clientAddress: '10.0.0.7', firstUsed: now - 9 * day, count: 9 };

test('a key is retired when it was replaced and nobody used it for the time; else it says who does', async () => {
  const { store, old } = await stackWith();
  const retire = (id: string, details: { unusedSeconds?: number; force?: boolean } = {}) =>
    retireKey(id, { store, now, unusedSeconds: day, force: false, ...details });
  await assert.rejects(retire(old.id), { code: 'key_in_use', message: /is the current one of aidb/ });
  const { record } = await beginRotation(old, { store, seal, now });
  await assert.rejects(retire(record.id), { code: 'key_in_use', message: /waits to take the place/ });
  await finishRotation(store, record.id, null, now);
  await store.usage.add([{ ...use, credentialId: old.id, lastUsed: now - 3 * 3600 }]);
  await assert.rejects(retire(old.id), { message: /last used 3 h ago by aidb from 10\.0\.0\.7$/ });
  const first = await retire(old.id, { unusedSeconds: 3600 });
  assert.deepEqual([first.record.revokedAt, first.already], [now, false]);
  assert.deepEqual(await store.keys.revocations(), [old.digest]);
  const again = await retire(old.id);
  assert.deepEqual([again.record.revokedAt, again.already], [now, true], 'once more does no harm');
  await assert.rejects(retire('none'), { code: 'unknown_key' });
  assert.equal((await retire(record.id, { force: true })).record.revokedAt, now);
});

interface Delivering {
  readonly path: string;
  readonly steps: RotationStep[];
  rotate(current: KeyRecord, more?: Partial<RotateIntoOptions>): Promise<KeyRecord>;
  held(): Promise<string | null>;
}

function delivering(t: TestContext, store: RotateIntoOptions['store'], form: 'key' | 'env' = 'key'): Delivering {
  const path = join(folderOf(t), 'aidb.key');
  const target = fileTarget({ path, form });
  const steps: RotationStep[] = [];
  const onStep = (step: RotationStep): void => void steps.push(step);
  const common = { store, seal, clock: () => now, target, settleMillis: 1, graceSeconds: day, onStep };
  return {
    path,
    steps,
    rotate: (current, more = {}) => rotateInto(current, { ...common, ...more }),
    held: () => target.held(),
  };
}

for (const kind of kinds) {
  test(`a ${kind} key is brought into its file: verifiers first, then the caller, then the old one's end`, async (t) => {
    const { store, old, key, stages } = await stackWith(kind);
    const { path, rotate, held, steps } = delivering(t, store);
    writeFileSync(path, key, { mode: 0o600 });
    const record = await rotate(old);
    assert.ok(isSecretOf((await held()) ?? '', record));
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(steps, ['created', 'known', 'delivered', 'finished']);
    assert.deepEqual(await stages(), { [old.id]: 'previous', [record.id]: 'current' });
    assert.equal((await store.keys.get(old.id))?.expiresAt, now + day);
    assert.deepEqual(readdirSync(join(path, '..')), ['aidb.key'], 'nothing else is left in the folder');
  });
}

test('broken off at any step, the next attempt ends with one current key in the file, and none that was there is refused', async (t) => {
  for (const at of ['created', 'known', 'delivered', 'finished'] as const) {
    const { store, old, key } = await stackWith();
    const { path, rotate, held } = delivering(t, store);
    writeFileSync(path, key, { mode: 0o600 });
    const breakOff = (step: RotationStep): void => {
      if (step === at) throw new Error('the power went');
    };
    await assert.rejects(rotate(old, { onStep: breakOff }), /the power went/);
    const lineage = async () => lineageOf(await store.keys.list(), now);
    const living = async (text: string | null): Promise<KeyRecord | undefined> =>
      (await store.keys.list()).find((one) => isSecretOf(text ?? '', one) && one.revokedAt === null);
    assert.ok(await living(await held()), `${at}: what the caller reads counts`);
    if (at !== 'finished') await rotate(old);
    const current = await living(await held());
    assert.ok(current && (await lineage()).stageOf(current) === 'current', `${at}: the file holds the current key`);
    assert.ok(await living(key), `${at}: the key that callers still hold counts`);
    assert.equal((await lineage()).previousOf(current).length, at === 'created' || at === 'known' ? 2 : 1);
  }
});

test('a key that cannot be delivered is not made, or taken back, and the old one goes on', async (t) => {
  const { store, old, key, stages } = await stackWith();
  const { path, rotate } = delivering(t, store);
  writeFileSync(path, key, { mode: 0o600 });
  chmodSync(path, 0o644);
  await assert.rejects(rotate(old), { code: 'not_delivered', message: /chmod 600/ });
  const folderless = fileTarget({ path: join(path, '../no/such/key'), form: 'key' });
  await assert.rejects(rotate(old, { target: folderless }), { code: 'not_delivered', message: /ENOENT.*its folder/ });
  assert.deepEqual(await stages(), { [old.id]: 'current' });
  const full: KeyTarget = {
    name: 'a full disk',
    ready: async () => undefined,
    held: async () => key,
    put: () => Promise.reject(new Error('no room')),
  };
  await assert.rejects(rotate(old, { target: full }), /no room/);
  const made = (await store.keys.list()).find(({ id }) => id !== old.id);
  assert.ok(made?.revokedAt === now && (await stages())[old.id] === 'current');
});

test('a .env file keeps its other lines, and a new one says whose key it is', async (t) => {
  const { store, old } = await stackWith('hs');
  const { path, rotate, held } = delivering(t, store, 'env');
  const first = await rotate(old);
  assert.match(readFileSync(path, 'utf8'), /^SERVICE_ID=aidb\nSERVICE_KEY=cs_hs_\w+\n$/);
  writeFileSync(path, '# ours\nexport SERVICE_KEY="a"\nOTHER=1 # $&\nSERVICE_KEY=b\nSERVICE_ID=aidb', { mode: 0o600 });
  const second = await rotate(first);
  const text = readFileSync(path, 'utf8');
  const secret = (await held()) ?? '';
  assert.ok(isSecretOf(secret, second));
  assert.equal(text, `# ours\nexport SERVICE_KEY=${secret}\nOTHER=1 # $&\nSERVICE_KEY=${secret}\nSERVICE_ID=aidb\n`);
  const pair = await stackWith('ed25519');
  await assert.rejects(rotate(pair.old, { store: pair.store }), { code: 'not_delivered', message: /several lines/ });
});

test('a file behind a link is what is replaced, and goes on belonging to whom it belonged', async (t) => {
  const { store, old, key } = await stackWith();
  const { path, rotate } = delivering(t, store);
  const real = join(path, '../data');
  mkdirSync(real);
  writeFileSync(join(real, 'key'), key, { mode: 0o600 });
  symlinkSync(join(real, 'key'), path);
  const record = await rotate(old);
  assert.ok(isSecretOf(readFileSync(join(real, 'key'), 'utf8').trimEnd(), record));
});

test('a link that somebody else made leads to no file but theirs', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root may give a link away');
  const { store, old, key } = await stackWith();
  const { path, rotate } = delivering(t, store);
  const foreign = 65_534;
  const real = join(path, '../ours');
  writeFileSync(real, key, { mode: 0o600 });
  symlinkSync(real, path);
  lchownSync(path, foreign, foreign);
  await assert.rejects(rotate(old), {
    code: 'not_delivered',
    message: /cannot be written \(it is a link of user 65534 to a file of user 0\)/,
  });
  assert.equal(readFileSync(real, 'utf8'), key);
  lchownSync(real, foreign, foreign);
  const record = await rotate(old);
  assert.ok(isSecretOf(readFileSync(real, 'utf8').trimEnd(), record));
  assert.equal(statSync(real).uid, foreign);
});
