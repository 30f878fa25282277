/** A whole stack carried from one kind of store to another, by the commands and with real databases. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { signingKeys } from '../../../authority/oauth/signing-keys.ts';
import { internalCa } from '../../../certificates/internal-ca.ts';
import { systemClock } from '../../../core/clock.ts';
import type { DecisionRow, Store } from '../../../core/store.ts';
import { sealWith } from '../../../crypto/seal.ts';
import { stepSeconds, totpCode } from '../../../crypto/totp.ts';
import { accounts } from '../../../operators/account.ts';
import { withCodeUsed, withEnrolment, withOffer } from '../../../operators/second-factor.ts';
import { encryptFor, newKeyPair } from '../../../secrets/age.ts';
import { postgresStore } from '../../../stores/postgres/store.ts';
import { redisStore } from '../../../stores/redis/store.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { fromBase32 } from '../../../../test/fixtures/base32.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { forThisFile, startPostgres, startRedis } from '../../../../test/fixtures/databases.ts';

const postgres = await forThisFile('a backup is restored on Postgres', startPostgres);
const redis = await forThisFile('a backup is restored on Redis', startRedis);

const keys = await newKeyPair();
const masterKeys = { old: 'a1'.repeat(32), other: 'b2'.repeat(32) };

function stack(t: TestContext, storeUrl = 'sqlite:state.db', masterKey = masterKeys.old) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-backup-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const yaml = `name: six-hosts\nstore: ${storeUrl}\nservices: { aidb: { upstream: http://127.0.0.1:8081 } }\n`;
  writeFileSync(join(folder, 'countersign.yaml'), yaml);
  writeFileSync(join(folder, 'age.txt'), `${keys.identity}\n`, { mode: 0o600 });
  const env = { SOPS_AGE_KEY_FILE: join(folder, 'age.txt'), COUNTERSIGN_MASTER_KEY: masterKey, HOME: folder };
  const cli = (args: readonly string[], stdin?: string) =>
    cliHere(args, { cwd: folder, env, ...(stdin === undefined ? {} : { stdin }) });
  return {
    folder,
    cli,
    file: join(folder, 'stack.age'),
    async json(args: readonly string[], stdin?: string) {
      const { code, stdout, stderr } = await cli([...args, '--output', 'json'], stdin);
      assert.equal(code, 0, stderr + stdout);
      return JSON.parse(stdout);
    },
    store: () => (storeUrl.startsWith('sqlite:') ? sqliteStore({ file: join(folder, 'state.db') }) : storeAt(storeUrl)),
  };
}

const storeAt = (url: string): Store => (url.startsWith('redis:') ? redisStore({ url }) : postgresStore({ url }));

async function withStore<T>(store: Store, work: (store: Store) => Promise<T>): Promise<T> {
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Something of every kind, and a backup of it. */
async function fullStack(t: TestContext) {
  const full = stack(t);
  const api = await full.json(['keys', 'create', 'aidb', '--scope', 'embed:write', '--expires', '90d']);
  const hmac = await full.json(['keys', 'create', 'frontend', '--kind', 'hs']);
  await full.json(['keys', 'create', 'npu-worker', '--kind', 'ed25519']);
  const dead = await full.json(['keys', 'create', 'old-worker']);
  await full.json(['keys', 'revoke', dead.id]);
  await full.cli(['keys', 'revoke'], 'd34db33f'.repeat(8));
  const token = await full.json(['tokens', 'create', '--ttl', '24h', '--scope', 'embed:read']);
  await full.json(['mode', 'set', 'report', '--all']);
  await full.json(['mode', 'set', 'enforce', 'aidb']);
  writeFileSync(join(full.folder, 'secrets.sops.yaml'), 'a: bundle\n');
  await withStore(full.store(), async (store) => {
    const now = systemClock();
    await store.records.put({ kind: 'ramp', id: 'aidb', value: { step: 2, at: [0.25] }, expiresAt: null }, null, now);
    await store.records.put({ kind: 'ramp', id: 'b', value: 'ends', expiresAt: now + 3600 }, null, now);
    for (const kind of ['lease', 'session', 'oauth-session', 'oauth-user-code', 'oauth-interaction'])
      await store.records.put({ kind, id: 'passing', value: 'in the clear', expiresAt: now + 3600 }, null, now);
    await store.decisions.append([decisionRow]);
    const use = { credentialId: api.id, caller: 'service:aidb', clientAddress: '10.0.0.7' };
    await store.usage.add([{ ...use, firstUsed: now - 60, lastUsed: now - 1, count: 3 }]);
  });
  const made = await full.json(['backup', full.file, '--recipient', keys.recipient]);
  return { full, api, hmac, dead, token, made };
}

const decisionRow: DecisionRow = {
  time: 1_764_000_000,
  outcome: 'deny',
  reason: 'invalid_credentials',
  note: '',
  mode: 'enforce',
  service: 'aidb',
  route: '/',
  method: 'GET',
  path: '/',
  principal: '',
  claimed: '',
  scheme: 'api-key',
  credentialId: '',
  clientAddress: '10.0.0.7',
  skewSeconds: null,
  durationMicros: 10,
  requestId: 'r-1',
};

const counts = { keys: 4, revocations: 2, tokens: 1, modes: 2, records: 2, uses: 1 };

async function carriesOver(t: TestContext, url: string): Promise<void> {
  const { full, hmac, token, dead, made } = await fullStack(t);
  const { sha256: _, made_at, ...told } = made;
  assert.deepEqual(told, { file: full.file, recipients: [keys.recipient], ...counts, bundle: true, dry_run: false });

  const other = stack(t, url, masterKeys.other);
  const trial = await other.json(['restore', full.file, '--dry-run']);
  assert.deepEqual(trial.added, counts);
  assert.ok(!existsSync(join(other.folder, 'secrets.sops.yaml')));
  const empty = await other.cli(['restore', full.file, '--verify', '--output', 'json']);
  assert.equal(empty.code, 1);
  assert.equal(JSON.parse(empty.stdout).missing.length, 12);

  const restored = await other.json(['restore', full.file]);
  assert.deepEqual([restored.verified, restored.added, restored.made_at], [true, counts, made_at]);
  assert.deepEqual(restored.audit_head, { sequence: 1, time: '2025-11-24T16:00:00Z', request_id: 'r-1' });
  assert.equal(readFileSync(join(other.folder, 'secrets.sops.yaml'), 'utf8'), 'a: bundle\n');
  assert.equal((await other.json(['restore', full.file, '--verify'])).verified, true);
  // What was broken off is completed, and what is complete stays as it is.
  await withStore(other.store(), async ({ records }) => {
    const held = await records.get('ramp', 'b', systemClock());
    await records.remove('ramp', 'b', held?.revision ?? '', systemClock());
  });
  const zeros = Object.fromEntries(Object.keys(counts).map((name) => [name, 0]));
  assert.deepEqual((await other.json(['restore', full.file])).added, { ...zeros, records: 1 });
  assert.deepEqual((await other.json(['restore', full.file])).added, zeros);

  await withStore(other.store(), async (store) => {
    assert.equal((await store.tokens.get(token.token_id))?.tokenId, token.token_id);
    assert.notEqual((await store.keys.get(dead.id))?.revokedAt, null);
    const record = await store.keys.get(hmac.id);
    assert.ok(record?.material !== null && !JSON.stringify(record).includes(hmac.key));
  });
}

test(
  'a whole stack goes from SQLite to Postgres, sealed anew, and proves to be complete',
  { skip: !postgres },
  async (t) => carriesOver(t, (await postgres?.database()) ?? ''),
);

test('a whole stack goes from SQLite to Redis, sealed anew, and proves to be complete', { skip: !redis }, async (t) =>
  carriesOver(t, redis?.url ?? ''),
);

test('second factors, OAuth keys and the internal CA work under another master key', async (t) => {
  const lost = stack(t);
  await lost.cli(['store', 'migrate']);
  const now = systemClock();
  const clock = () => now;
  const parts = (store: Store, masterKey: string) => {
    const seal = sealWith(masterKey);
    const ca = internalCa({ records: store.records, seal: () => seal, clock });
    return { seal, people: accounts({ records: store.records, clock }), records: store.records, clock, ca };
  };
  const account = (name: string) => ({ ...newAccount, name, createdAt: now });
  const { secret, jwks } = await withStore(lost.store(), async (store) => {
    const { ca, people, seal, records } = parts(store, masterKeys.old);
    const offered = withOffer(account('mara'), seal, 'six-hosts');
    const enrolled = withEnrolment(offered.account, codeAt(offered.secret, now - 60), [], seal, now - 60);
    assert.ok(enrolled);
    await people.add(enrolled);
    await people.add(withOffer(account('offered'), seal, 'six-hosts').account);
    const settings = {
      name: 'six',
      trustDomain: 'six.internal',
      permitted: { dns: ['six.internal'], uriHosts: [], networks: [] },
    };
    await ca.create({ ...settings, seconds: 3600 }, false);
    return { secret: offered.secret, jwks: (await signingKeys({ records, seal, clock })).jwks };
  });
  await lost.json(['backup', lost.file, '--recipient', keys.recipient]);

  const found = stack(t, 'sqlite:state.db', masterKeys.other);
  assert.equal((await found.json(['restore', lost.file])).verified, true);
  assert.equal((await found.json(['restore', lost.file, '--verify'])).verified, true);
  await withStore(found.store(), async (store) => {
    const { ca, people, seal, records } = parts(store, masterKeys.other);
    const mara = (await people.get('mara'))?.account;
    assert.ok(mara && withCodeUsed(mara, codeAt(secret, now), seal, now, 'every code'));
    assert.equal(withCodeUsed(mara, codeAt(secret, now - 60), seal, now, 'every code'), null, 'a code was used twice');
    assert.deepEqual((await signingKeys({ records, seal, clock })).jwks, jwks);
    const issued = await ca.issue({ service: 'aidb', hosts: ['aidb.six.internal'], usage: 'both', seconds: 60 });
    assert.match(issued.certificate, /BEGIN CERTIFICATE/);
    assert.ok(!JSON.stringify(await records.list('oauth-key', now)).includes('"d":'));
    assert.ok(!JSON.stringify(await records.list('certificate-authority', now)).includes('PRIVATE KEY'));
  });
});

test(
  'without a master key on a shared store nothing is written, and a dry run says so',
  { skip: !redis },
  async (t) => {
    const { full } = await fullStack(t);
    const bare = stack(t, `${redis?.url ?? ''}/3`, '');
    for (const args of [['--dry-run'], []]) {
      const { code, stderr } = await bare.cli(['restore', full.file, ...args]);
      assert.equal(code, 1);
      assert.match(stderr, /COUNTERSIGN_MASTER_KEY is not set/);
      assert.deepEqual(JSON.parse((await bare.cli(['keys', 'list', '--output', 'json'])).stdout), []);
    }
  },
);

test('a backup is refused where a secret does not open, and by name', async (t) => {
  const { folder, cli, file, store } = stack(t);
  await cli(['store', 'migrate']);
  await withStore(store(), async ({ records }) => {
    const account = withOffer({ ...newAccount, name: 'mara', createdAt: 1 }, sealWith(masterKeys.other), 'x').account;
    await accounts({ records, clock: systemClock }).add(account);
  });
  const { code, stderr } = await cli(['backup', file, '--recipient', keys.recipient]);
  assert.notEqual(code, 0);
  assert.match(stderr, /mara \(operators\) does not open: COUNTERSIGN_MASTER_KEY is not the one/);
  assert.ok(!existsSync(join(folder, 'stack.age')));
});

const newAccount = {
  role: 'operator',
  password: null,
  firstLogin: null,
  totp: null,
  totpOffered: null,
  disabled: false,
  epoch: 0,
} as const;

const codeAt = (base32: string, now: number) => totpCode(fromBase32(base32), Math.floor(now / stepSeconds));

test('the file is for its recipients only, holds no secret in the clear and is not written over', async (t) => {
  const { full, api, hmac } = await fullStack(t);
  const text = readFileSync(full.file, 'utf8');
  assert.equal(statSync(full.file).mode & 0o777, 0o600);
  assert.match(text, /^-----BEGIN AGE ENCRYPTED FILE-----\n/);
  for (const secret of [api.key, hmac.key, masterKeys.old, 'frontend']) assert.ok(!text.includes(secret));
  const again = await full.cli(['backup', full.file, '--recipient', keys.recipient]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is there already/);
  assert.equal(readFileSync(full.file, 'utf8'), text);
  const nowhere = join(full.folder, 'nowhere/stack.age');
  const lost = await full.cli(['backup', nowhere, '--recipient', keys.recipient]);
  assert.equal(lost.code, 1);
  assert.ok(lost.stderr.startsWith(`countersign: ${nowhere} cannot be written (ENOENT)\n`), lost.stderr);
});

test('a backup that was changed, of another key or no backup at all is refused in one line', async (t) => {
  const { full } = await fullStack(t);
  const target = stack(t);
  const refusal = async (file: string, words: RegExp, ...args: string[]) => {
    const { code, stderr } = await target.cli(['restore', file, ...args]);
    assert.equal(code, 1);
    assert.match(stderr, words);
    assert.ok(stderr.trim().split('\n').length <= 2, stderr);
  };
  const text = readFileSync(full.file, 'utf8');
  const changed = join(target.folder, 'changed.age');
  const at = text.length - 200;
  writeFileSync(changed, text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1));
  await refusal(changed, /changed\.age: none of the age keys at hand opens it, or it was changed/);
  writeFileSync(join(target.folder, 'stranger.txt'), `${(await newKeyPair()).identity}\n`, { mode: 0o600 });
  await refusal(full.file, /none of the age keys/, '--identity', join(target.folder, 'stranger.txt'));
  writeFileSync(join(target.folder, 'none.age'), 'keys: []\n');
  await refusal(join(target.folder, 'none.age'), /it is no backup/);
  await refusal(join(target.folder, 'nowhere.age'), /there is no backup at/);
  assert.equal((await target.cli(['keys', 'list', '--output', 'json'])).stdout.includes('frontend'), false);
});

test('a file that somebody else made for us is answered in plain and short lines', async (t) => {
  const full = stack(t);
  const made = async (change: object): Promise<string> => {
    const state = { keys: [], revocations: [], tokens: [], modes: [], records: [], uses: [] };
    const rest = { format: 'countersign-backup', version: 2, name: 'x', madeAt: 1, auditHead: null, bundle: null };
    writeFileSync(
      full.file,
      await encryptFor([keys.recipient], Buffer.from(JSON.stringify({ ...rest, state, ...change }))),
    );
    const { code, stdout, stderr } = await full.cli(['restore', full.file, '--verify']);
    assert.ok(code === 0 || code === 1, stderr);
    return stdout + stderr;
  };
  const escape = '\u001b]0;owned\u0007';
  const mode = { scope: escape + 'x'.repeat(4000), mode: 'off', setAt: 1, setBy: '' };
  const state = { keys: [], revocations: [], tokens: [], modes: [mode], records: [], uses: [] };
  for (const text of [
    await made({ name: escape }),
    await made({ state }),
    await made({ version: escape.repeat(9999) }),
  ]) {
    assert.doesNotMatch(text, /[^\P{Cc}\n]/u);
    assert.ok(text.length < 1000, text);
  }
  assert.match(await made({ madeAt: 1e300 }), /is no backup \(at "madeAt"\)/);
  assert.match(await made({ version: 1 }), /version 1, and this program reads version 2: .*made it/);

  // Records that none of our own programs wrote are carried over as they are: nothing in them is sealed.
  const odd = [null, 'v1.', [], {}, { sealedKey: null, sealed: 1, totp: 'x', totpOffered: [] }, { sealedKey: 'x' }];
  const records = ['certificate-authority', 'oauth-key', 'operator'].flatMap((kind) =>
    odd.map((value, at) => ({ kind, id: `r${at}`, value, expiresAt: null })),
  );
  // A login that was under way is nobody's by now; files of earlier versions hold some.
  const passing = { kind: 'oauth-user-code', id: 'x', value: 'in the clear', expiresAt: systemClock() + 600 };
  await made({ state: { ...state, modes: [], records: [...records, passing] } });
  const { stderr, code } = await full.cli(['restore', full.file]);
  assert.equal(code, 0, stderr);
  await withStore(full.store(), async (store) =>
    assert.equal(await store.records.get(passing.kind, passing.id, systemClock()), null),
  );
});

test('a store with a life of its own is not mixed with a backup, and verify says what is otherwise', async (t) => {
  const { full, api } = await fullStack(t);
  const later = await full.json(['keys', 'create', 'late']);
  assert.equal((await full.json(['restore', full.file, '--verify'])).verified, true, 'it holds more, and all of it');
  const mixed = await full.cli(['restore', full.file]);
  assert.equal(mixed.code, 1);
  assert.match(mixed.stderr, new RegExp(`holds what the backup does not.*key ${later.id}`));

  await full.json(['keys', 'revoke', api.id]);
  const { code, stdout } = await full.cli(['restore', full.file, '--verify', '--output', 'json']);
  assert.equal(code, 1);
  assert.deepEqual(JSON.parse(stdout).different, [`key ${api.id}`]);
});

test('nobody is left who could open it: that is refused before anything is read', async (t) => {
  const { cli, file } = stack(t);
  const none = await cli(['backup', file]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /nobody is named who could open it/);
  const secret = await cli(['backup', file, '--recipient', keys.identity]);
  assert.equal(secret.code, 2);
  assert.ok(!secret.stderr.includes(keys.identity));
  assert.ok(!existsSync(file));
});

test('a rule that names what no age key is, is said in words, and not shown where it is a private key', async (t) => {
  for (const age of ['notakey', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5', keys.identity]) {
    const { cli, file, folder } = stack(t);
    writeFileSync(join(folder, '.sops.yaml'), `creation_rules: [{ age: '${age}' }]\n`);
    const { code, stderr } = await cli(['backup', file]);
    assert.equal(code, 1);
    assert.match(stderr, /no recipient|names a private key/);
    assert.doesNotMatch(stderr, /unexpected|AGE-SECRET-KEY-1/);
    assert.equal(existsSync(file), false);
  }
});

test('what could not be restored is no backup: it is said where the store holds it, and no file is written', async (t) => {
  const { cli, file, store } = stack(t);
  await cli(['keys', 'create', 'aidb']);
  const row = { scope: 'aidb', mode: 'Enforce' as 'enforce', setAt: 1, setBy: 'sql' };
  await withStore(store(), (held) => held.modes.set(row));
  const { code, stderr } = await cli(['backup', file, '--recipient', keys.recipient]);
  assert.equal(code, 1);
  assert.match(stderr, /state\.modes\.0\.mode/);
  assert.equal(existsSync(file), false);
});
