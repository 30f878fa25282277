import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { databasePassword, forThisFile, startPostgres, startRedis } from '../../../test/fixtures/databases.ts';
import { grafanaStandIn } from '../../../test/fixtures/grafana.ts';
import { tcpRelay } from '../../../test/fixtures/tcp-relay.ts';
import { grafanaPassword } from './grafana.ts';
import type { PasswordServer } from './password-server.ts';
import { postgresPassword } from './postgres.ts';
import { redisPassword } from './redis.ts';
import { rotatePassword, type PasswordRotated, type PasswordRotation, type PasswordVault } from './rotate-password.ts';

const secret = 'db_password';

interface TestVault extends PasswordVault {
  readonly kept: Map<string, string>;
  /** Called before each write; may throw. */
  onWrite: (changes: Readonly<Record<string, string | null>>) => void;
}

function vault(first: Readonly<Record<string, string>> = {}): TestVault {
  const kept = new Map(Object.entries(first));
  const made: TestVault = {
    kept,
    onWrite: () => undefined,
    read: (name) => kept.get(name) ?? null,
    write(changes) {
      made.onWrite(changes);
      for (const [name, value] of Object.entries(changes)) {
        if (value === null) kept.delete(name);
        else kept.set(name, value);
      }
    },
  };
  return made;
}

function rotate(
  server: PasswordServer,
  kept: PasswordVault,
  more: Partial<PasswordRotation> = {},
): Promise<PasswordRotated> {
  return rotatePassword({ server, vault: kept, secret, given: null, loginSecret: null, dryRun: false, ...more });
}

const postgres = await forThisFile('passwords of Postgres', () => startPostgres());
const urlOf = (port: number): URL => new URL(`postgres://127.0.0.1:${port}/postgres`);

async function roleNamed(name: string, password: string): Promise<void> {
  const client = new Client({ connectionString: postgres?.url });
  await client.connect();
  await client.query(`CREATE ROLE ${client.escapeIdentifier(name)} LOGIN PASSWORD '${password}'`);
  await client.end();
}

if (postgres) {
  test('a role of Postgres gets a password of 256 bits: the new one logs in, the old one no longer, and the vault has it', async () => {
    await roleNamed('own "quoted" Röle', 'old-1');
    const account = 'own "quoted" Röle';
    const server = postgresPassword({ url: urlOf(postgres.port), account, login: account });
    const kept = vault({ [secret]: 'old-1' });
    assert.deepEqual(await rotate(server, kept, { dryRun: true }), { resumed: false, remaining: null });
    assert.equal(await server.accepts('old-1'), true);
    assert.deepEqual(await rotate(server, kept), { resumed: false, remaining: null });
    const next = kept.read(secret) ?? '';
    assert.match(next, /^[0-9A-Za-z]{43}-Aa1$/);
    assert.deepEqual(
      [await server.accepts(next), await server.accepts('old-1'), await server.accepts('')],
      [true, false, false],
    );
    assert.deepEqual([...kept.kept.keys()], [secret]);
    await rotate(server, kept);
    assert.equal(await server.accepts(next), false);
  });

  test('an administrator changes the password of another role of Postgres', async () => {
    await roleNamed('grafana', 'old-2');
    const server = postgresPassword({ url: urlOf(postgres.port), account: 'grafana', login: 'countersign' });
    const kept = vault({ admin: databasePassword });
    await rotate(server, kept, { loginSecret: 'admin', given: 'old-2' });
    assert.equal(await server.accepts(kept.read(secret)), true);
    assert.equal(await server.accepts('old-2'), false);
  });

  test('a login that fails after the change puts the old password of Postgres back', async (t) => {
    await roleNamed('flaky', 'old-3');
    const relay = await tcpRelay(t, postgres.port);
    const server = postgresPassword({ url: urlOf(relay.port), account: 'flaky', login: 'flaky' });
    const kept = vault({ [secret]: 'old-3' });
    // The session that makes the change stays; the login that would prove it is cut off.
    kept.onWrite = () => relay.refuse(1);
    await assert.rejects(rotate(server, kept), {
      code: 'password_not_changed',
      message: /taken back, and the old password counts/,
    });
    relay.refuse(0);
    assert.equal(await server.accepts('old-3'), true);
    assert.deepEqual([...kept.kept], [[secret, 'old-3']]);
  });

  test('a vault that cannot be written puts the old password back as well', async () => {
    await roleNamed('full', 'old-4');
    const server = postgresPassword({ url: urlOf(postgres.port), account: 'full', login: 'full' });
    const kept = vault({ [secret]: 'old-4' });
    kept.onWrite = (changes) => {
      if (changes[`${secret}_next`] === null && changes[secret]) throw new Error('no space left');
    };
    await assert.rejects(rotate(server, kept), {
      code: 'password_not_changed',
      message: /no space left; it was taken back/,
    });
    assert.equal(await server.accepts('old-4'), true);
    assert.deepEqual([...kept.kept], [[secret, 'old-4']]);
  });

  test('a rotation that was broken off is completed by the next, wherever it was', async () => {
    await roleNamed('resumed', 'old-5');
    const server = postgresPassword({ url: urlOf(postgres.port), account: 'resumed', login: 'resumed' });
    // Broken off before the password reached the server: the pending one is discarded.
    const kept = vault({ [secret]: 'old-5', [`${secret}_next`]: 'never-arrived' });
    assert.equal((await rotate(server, kept)).resumed, false);
    const second = kept.read(secret) ?? '';
    // Broken off after: the server has the pending one, the vault still the old one in its place.
    kept.kept.set(secret, 'old-5').set(`${secret}_next`, second);
    assert.equal((await rotate(server, kept)).resumed, true);
    assert.deepEqual([...kept.kept], [[secret, second]]);
    assert.equal(await server.accepts(second), true);
  });

  test('a wrong password, an unknown secret or a silent server changes nothing', async () => {
    await roleNamed('wrong', 'old-6');
    const server = postgresPassword({ url: urlOf(postgres.port), account: 'wrong', login: 'wrong' });
    await assert.rejects(rotate(server, vault({ [secret]: 'not it' })), { code: 'login_refused' });
    await assert.rejects(rotate(server, vault()), { code: 'login_refused', message: /the bundle has no db_password/ });
    const nobody = postgresPassword({ url: urlOf(1), account: 'wrong', login: 'wrong' });
    await assert.rejects(rotate(nobody, vault({ [secret]: 'old-6' })), { code: 'server_unreachable' });
    assert.equal(await server.accepts('old-6'), true);
  });

  test('Postgres that takes any password proves nothing, and is left alone', async (t) => {
    const trusting = await startPostgres(t);
    const client = new Client({ connectionString: trusting.url });
    await client.connect();
    const { rows } = await client.query<{ hba_file: string }>('SHOW hba_file');
    writeFileSync(rows[0]?.hba_file ?? '', 'host all all 127.0.0.1/32 trust\n');
    await client.query('SELECT pg_reload_conf()');
    await client.end();
    const server = postgresPassword({ url: urlOf(trusting.port), account: 'countersign', login: 'countersign' });
    // The server reads its rules anew in its own time.
    while (!(await server.accepts('anything'))) await new Promise((resolve) => setTimeout(resolve, 20));
    const kept = vault({ [secret]: databasePassword });
    await assert.rejects(rotate(server, kept), { code: 'any_password' });
    assert.deepEqual([...kept.kept], [[secret, databasePassword]]);
  });
}

const redis = await forThisFile('passwords of Redis', () => startRedis());

if (redis) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-acl-'));
  test.after(() => rmSync(folder, { recursive: true, force: true }));
  const redisUrl = (port: number): URL => new URL(`redis://127.0.0.1:${port}`);

  test('the default user of Redis gets a new password, which no log of the server shows; what is only in memory is said', async () => {
    const server = redisPassword({ url: redisUrl(redis.port), account: 'default', login: 'default' });
    const kept = vault({ [secret]: databasePassword });
    const { remaining } = await rotate(server, kept);
    assert.match(remaining ?? '', /forgets it at its next start/);
    const next = kept.read(secret) ?? '';
    assert.deepEqual(
      [await server.accepts(next), await server.accepts(databasePassword), await server.accepts(null)],
      [true, false, false],
    );
    const client = new Redis({ port: redis.port, password: next });
    await client.config('SET', 'slowlog-log-slower-than', '0');
    await rotate(server, kept);
    assert.equal(JSON.stringify(await client.slowlog('GET', 128)).includes(kept.read(secret) ?? ''), false);
    client.disconnect();
  });

  test('Redis without a password gets one, and with an ACL file keeps it over a restart', async (t) => {
    const aclfile = join(folder, 'users.acl');
    writeFileSync(aclfile, 'user default on nopass ~* &* +@all\nuser app on >old-app ~* +@all\n');
    const open = await startRedis(t, { aclfile, requirepass: '' });
    const server = redisPassword({ url: redisUrl(open.port), account: 'default', login: 'default' });
    const kept = vault();
    assert.deepEqual(await rotate(server, kept), { resumed: false, remaining: null });
    const next = kept.read(secret);
    const app = redisPassword({ url: redisUrl(open.port), account: 'app', login: 'default' });
    await rotate(app, kept, { secret: 'app_password', given: 'old-app', loginSecret: secret });
    await open.kill();
    await open.restart();
    assert.deepEqual([await server.accepts(next), await server.accepts(null)], [true, false]);
    assert.deepEqual([await app.accepts(kept.read('app_password')), await app.accepts('old-app')], [true, false]);
    assert.equal(readFileSync(aclfile, 'utf8').includes(next ?? ''), false);
    const nobody = redisPassword({ url: redisUrl(open.port), account: 'nobody', login: 'default' });
    await assert.rejects(rotate(nobody, kept, { secret: 'x', given: 'y', loginSecret: secret }), {
      code: 'login_refused',
    });
  });

  test('a login that fails after the change takes the new password of Redis back, and without one there is none again', async (t) => {
    for (const password of ['', 'old-7']) {
      const server = await startRedis(t, { requirepass: password });
      const relay = await tcpRelay(t, server.port);
      const target = redisPassword({ url: redisUrl(relay.port), account: 'default', login: 'default' });
      const kept = vault(password === '' ? {} : { [secret]: password });
      kept.onWrite = () => relay.refuse(1);
      await assert.rejects(rotate(target, kept), { code: 'password_not_changed', message: /it was taken back/ });
      relay.refuse(0);
      assert.equal(await target.accepts(password === '' ? null : password), true);
      assert.equal(kept.read(`${secret}_next`), null);
      const users = await new Promise<string>((resolve, reject) => {
        const client = new Redis({ port: server.port, ...(password === '' ? {} : { password }) });
        client.acl('LIST').then((list) => {
          client.disconnect();
          resolve(String(list));
        }, reject);
      });
      assert.equal(users.includes('nopass'), password === '');
      assert.equal((users.match(/#[0-9a-f]{64}/g) ?? []).length, password === '' ? 0 : 1);
    }
  });
}

test('an administrator of Grafana gets away from the password that everybody knows, and changes that of others', async (t) => {
  const grafana = await grafanaStandIn(t);
  const admin = grafanaPassword({ url: grafana.url, account: 'admin', login: 'admin' });
  const kept = vault();
  await rotate(admin, kept, { given: 'admin' });
  assert.equal(grafana.passwords.get('admin'), kept.read(secret));
  const viewer = grafanaPassword({ url: grafana.url, account: 'viewer', login: 'admin' });
  await rotate(viewer, kept, { secret: 'viewer_password', given: 'viewer', loginSecret: secret });
  assert.equal(grafana.passwords.get('viewer'), kept.read('viewer_password'));
  assert.ok(grafana.asked.includes('PUT /api/admin/users/2/password'));
  assert.equal(
    grafana.asked.some((line) => line.includes(kept.read(secret) ?? '')),
    false,
  );
});

test('Grafana that says it changed the password and did not is found out by the login', async (t) => {
  const grafana = await grafanaStandIn(t);
  grafana.forgetChanges = true;
  const kept = vault({ [secret]: 'admin' });
  const admin = grafanaPassword({ url: grafana.url, account: 'admin', login: 'admin' });
  await assert.rejects(rotate(admin, kept), {
    code: 'password_not_changed',
    message: /does not accept the new password; it was taken back/,
  });
  assert.deepEqual([...kept.kept], [[secret, 'admin']]);
});

test('the rules of Grafana about passwords do not refuse a new one, nor keep a failed rotation from ending as it began', async (t) => {
  const grafana = await grafanaStandIn(t);
  grafana.passwordPolicy = true;
  grafana.forgetChanges = true;
  const admin = grafanaPassword({ url: grafana.url, account: 'admin', login: 'admin' });
  const kept = vault({ [secret]: 'admin' });
  await assert.rejects(rotate(admin, kept), { message: /it was taken back, and the old password counts/ });
  assert.deepEqual([...kept.kept], [[secret, 'admin']]);
  grafana.forgetChanges = false;
  await rotate(admin, kept);
  assert.equal(grafana.passwords.get('admin'), kept.read(secret));
});

test('who is no administrator of Grafana, and who is nobody, changes nothing', async (t) => {
  const grafana = await grafanaStandIn(t);
  const viewer = grafanaPassword({ url: grafana.url, account: 'viewer', login: 'viewer' });
  await assert.rejects(rotate(viewer, vault({ [secret]: 'viewer' })), {
    code: 'login_refused',
    message: /no server administrator/,
  });
  const elsewhere = grafanaPassword({ url: new URL('http://127.0.0.1:1'), account: 'admin', login: 'admin' });
  await assert.rejects(rotate(elsewhere, vault({ [secret]: 'admin' })), { code: 'server_unreachable' });
  assert.equal(grafana.passwords.get('viewer'), 'viewer');
});
