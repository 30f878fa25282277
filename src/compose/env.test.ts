import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readEnvironment } from './env.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-env-'));
after(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, content: string): string {
  const file = join(folder, name);
  writeFileSync(file, content, { mode: 0o600 });
  return file;
}

test('an empty environment has no effect', () => {
  assert.deepEqual(readEnvironment({}), {
    environment: {
      authEnabled: null,
      adminToken: null,
      overrideToken: null,
      tokenTtlSeconds: 86_400,
      store: null,
      supabaseKey: null,
      signatureWindow: 300,
      mode: null,
      clearsEnforcement: false,
      warnings: [],
    },
    faults: [],
    storeFaults: [],
  });
});

test('reads every variable, and a file for each name with _FILE', () => {
  const names = ['AUTH_ADMIN_TOKEN', 'SERVICE_AUTH_OVERRIDE_TOKEN', 'SUPABASE_KEY'] as const;
  const plain = readEnvironment(Object.fromEntries(names.map((name) => [name, `value of ${name}`])));
  const files = readEnvironment(
    Object.fromEntries(names.map((name) => [`${name}_FILE`, fileOf(name, `value of ${name}\n`)])),
  );
  assert.deepEqual(files, plain);
  assert.equal(files.environment.adminToken, 'value of AUTH_ADMIN_TOKEN');
  assert.equal(files.environment.overrideToken, 'value of SERVICE_AUTH_OVERRIDE_TOKEN');
  assert.equal(files.environment.supabaseKey, 'value of SUPABASE_KEY');
});

test('refuses a name that is set twice, and a file that is absent or a folder, without showing a value', () => {
  const faults = [
    ...readEnvironment({ AUTH_ADMIN_TOKEN: 'hunter2', AUTH_ADMIN_TOKEN_FILE: fileOf('both', 'hunter2') }).faults,
    ...readEnvironment({ AUTH_ADMIN_TOKEN_FILE: join(folder, 'absent') }).faults,
    ...readEnvironment({ AUTH_ADMIN_TOKEN_FILE: folder }).faults,
    ...readEnvironment({ AUTH_ADMIN_TOKEN_FILE: 'hunter2hunter2hunter2' }).faults,
    ...readEnvironment({ SUPABASE_KEY_FILE: 'eyJhbGciOiJIUzI1NiJ9.hunter2.hunter2' }).faults,
    ...readEnvironment({ DATABASE_URL_FILE: 'postgres://me:hunter2@127.0.0.1/db' }).faults,
    ...readEnvironment({ AUTH_ADMIN_TOKEN_FILE: '.countersign/admin_token_of_nobody' }).faults,
  ].map(({ message }) => message);
  assert.equal(faults.length, 7);
  assert.equal(faults[0], 'AUTH_ADMIN_TOKEN and AUTH_ADMIN_TOKEN_FILE are both set');
  assert.match(faults[1] ?? '', /^AUTH_ADMIN_TOKEN_FILE names a file that cannot be used: .*absent/);
  assert.match(faults[2] ?? '', /not a regular file/);
  assert.doesNotMatch(faults.join(), /hunter2/);
  // As `init` prints it.
  assert.match(faults[6] ?? '', /: \.countersign\/admin_token_of_nobody: cannot be opened/);
});

test('an empty value counts as not set', () => {
  assert.deepEqual(
    readEnvironment({ AUTH_ADMIN_TOKEN: '', AUTH_ENABLED: '', AUTH_ADMIN_TOKEN_FILE: '' }),
    readEnvironment({}),
  );
});

function modeFrom(value: string) {
  const { environment, faults } = readEnvironment({ SERVICE_AUTH_ENFORCEMENT_MODE: value });
  return [environment.mode, environment.clearsEnforcement, faults.length];
}

test('SERVICE_AUTH_ENFORCEMENT_MODE: true enforces, false reports and takes back what was enforced', () => {
  assert.deepEqual(modeFrom('true'), ['enforce', false, 0]);
  assert.deepEqual(modeFrom('TRUE'), ['enforce', false, 0]);
  assert.deepEqual(modeFrom('false'), ['report', true, 0]);
  assert.deepEqual(modeFrom('off'), ['off', false, 0]);
  assert.deepEqual(modeFrom('report'), ['report', false, 0]);
  assert.deepEqual(modeFrom('enforce'), ['enforce', false, 0]);
  assert.deepEqual(modeFrom('maybe'), [null, false, 1]);
});

function storeFrom(env: Record<string, string>) {
  return readEnvironment(env).environment.store;
}

test('finds the store: AUTH_STORAGE before DATABASE_URL before Redis', () => {
  const database = { DATABASE_URL: 'postgres://db/x' };
  const redis = { REDIS_HOST: 'cache', REDIS_PORT: '6380' };
  assert.deepEqual(storeFrom({ ...database, ...redis, AUTH_STORAGE: 'memory' }), { kind: 'memory' });
  assert.deepEqual(storeFrom({ AUTH_STORAGE: 'supabase', SUPABASE_URL: 'https://x.example' }), {
    kind: 'supabase',
    url: 'https://x.example',
  });
  assert.deepEqual(storeFrom({ ...database, ...redis }), { kind: 'postgres', url: 'postgres://db/x' });
  assert.deepEqual(storeFrom(redis), { kind: 'redis', url: 'redis://cache:6380' });
  assert.deepEqual(storeFrom({ REDIS_HOST: '::1' }), { kind: 'redis', url: 'redis://[::1]:6379' });
  assert.deepEqual(storeFrom({ ...redis, REDIS_URL: 'rediss://other' }), { kind: 'redis', url: 'rediss://other' });
  assert.equal(storeFrom({ REDIS_PORT: '6379' }), null);
});

const refused: readonly (readonly [Record<string, string>, RegExp])[] = [
  [{ AUTH_ENABLED: 'maybe' }, /^AUTH_ENABLED .*write true or false/],
  [{ AUTH_TOKEN_TTL: '0' }, /^AUTH_TOKEN_TTL .*write hours/],
  [{ AUTH_TOKEN_TTL: '1.5' }, /^AUTH_TOKEN_TTL .*write hours/],
  [{ AUTH_TIMESTAMP_WINDOW: '-1' }, /^AUTH_TIMESTAMP_WINDOW .*write seconds/],
  [{ AUTH_STORAGE: 'disk' }, /^AUTH_STORAGE .*memory or supabase/],
  [{ AUTH_STORAGE: 'supabase' }, /^SUPABASE_URL .*needs SUPABASE_URL/],
  [{ DATABASE_URL: 'mysql://root:hunter2@db' }, /^DATABASE_URL .*postgres:/],
  [{ REDIS_URL: 'http://:hunter2@cache' }, /^REDIS_URL .*redis:/],
  [{ REDIS_URL: 'redis://:hunter2@cache/?db=5' }, /^REDIS_URL .*write it behind the address: redis:.*6379\/5/],
  [{ DATABASE_URL: 'postgres://u:hunter2@db/x?sslmod=require' }, /^DATABASE_URL .*write \?sslmode=verify-full/],
  [{ REDIS_HOST: 'cache', REDIS_PORT: 'hunter2' }, /^REDIS_HOST .*REDIS_PORT/],
];

for (const [env, expected] of refused) {
  test(`refuses ${Object.keys(env).join(' with ')} without showing its value`, () => {
    const reading = readEnvironment(env);
    const faults = [...reading.faults, ...reading.storeFaults];
    const text = faults.map(({ message, hint }) => `${message} ${hint}`).join('\n');
    assert.equal(faults.length, 1);
    assert.match(text, expected);
    assert.doesNotMatch(text, /hunter2/);
    assert.equal(faults[0]?.source, 'environment');
  });
}
