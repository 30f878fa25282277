import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { forThisFile, startRedis } from '../../../../test/fixtures/databases.ts';
import { until } from '../../../../test/fixtures/until.ts';
import { startUpstream, type Program } from '../../../../test/e2e/program.ts';
import { startServer } from '../../../../test/fixtures/cli-here.ts';

const theirs = 'a4f1c09b77e2d35568aa01bc9d3fe6427781905cde23f4ab56108e9dc7b3f02a';
const server = await forThisFile('service keys in Redis', startRedis);

interface Delivered {
  readonly id: string;
  readonly kind: string;
  readonly key?: string;
  readonly delivered_to: string;
}

/** The headers of `countersign sign`, as a request has them. */
async function signed({ cli, folder }: Program, service: string, key: string, path: string) {
  writeFileSync(join(folder, 'caller.key'), key, { mode: 0o600 });
  const { stdout, code } = await cli([
    'sign',
    '--service',
    service,
    '--key-file',
    join(folder, 'caller.key'),
    'GET',
    path,
  ]);
  assert.equal(code, 0);
  return Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(': ') as [string, string]),
  );
}

if (server) {
  test('what we write is accepted by verifiers of that format, and what they write is accepted by us, until it is revoked', async (t) => {
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    await client.set('service:key:web', theirs, 'EX', 7_776_000);
    const upstream = await startUpstream(t);
    const program = await startServer(t, {
      yaml: `mode: enforce\ncallers: [aidb, web]\nkeys: [{ redis: ${server.url} }]\nservices:\n  embeddings: { upstream: ${upstream.url} }\n`,
    });
    const { cli, origin } = program;
    const ask = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${origin}/embeddings/models`, { headers })).status;

    const made = await cli(['keys', 'create', 'aidb', '--to', 'redis', '--output', 'json']);
    assert.equal(made.code, 0, made.stderr);
    const { id, kind, key, delivered_to: place } = JSON.parse(made.stdout) as Delivered;
    assert.deepEqual([kind, key, place], ['hs', undefined, `service:key:aidb in Redis at 127.0.0.1:${server.port}/0`]);
    const left = await client.ttl('service:key:aidb');
    assert.ok(left > 7_776_000 - 60 && left <= 7_776_000);

    const ours = (await client.get('service:key:aidb')) ?? '';
    const headers = await signed(program, 'aidb', ours, '/embeddings/models');
    // As a deployed verifier does it, knowing nothing but Redis and the three headers.
    const message = `${headers['X-Service-ID']}:GET:/embeddings/models:${headers['X-Service-Timestamp']}`;
    const secret = (await client.get(`service:key:${headers['X-Service-ID']}`)) ?? '';
    assert.equal(createHmac('sha256', secret).update(message).digest('hex'), headers['X-Service-Signature']);
    await until(async () => (await ask(headers)) === 200);
    const asWeb = await signed(program, 'web', theirs, '/embeddings/models');
    await until(async () => (await ask(asWeb)) === 200);

    assert.match((await cli(['status'])).stdout, /1 active.*; 0 in files, 2 in Redis/);
    assert.equal((await cli(['keys', 'revoke', id])).code, 0);
    assert.equal((await cli(['keys', 'revoke'], theirs)).code, 0);
    await until(async () => (await ask(headers)) === 401);
    // Although Redis holds it still.
    await until(async () => (await ask(asWeb)) === 401);
  });

  test('a key that is there already is not written over, and no key is made for it', async (t) => {
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    await client.set('service:key:web', theirs);
    const { cli, folder } = await startServer(t, {
      yaml: `callers: [web]\nkeys: [{ redis: ${server.url} }]\nservices:\n  embeddings: { upstream: http://127.0.0.1:1 }\n`,
    });
    const refused = await cli(['keys', 'create', 'web', '--to', 'redis']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /service:key:web in Redis at .* holds a key already/);
    assert.equal(await client.get('service:key:web'), theirs);
    assert.equal((await cli(['keys', 'create', 'web', '--to', 'redis', '--kind', 'sk'])).code, 1);
    const path = join(folder, 'web.env');
    assert.equal((await cli(['keys', 'create', 'web', '--to', path, '--expires', '30d'])).code, 0);
    assert.match(readFileSync(path, 'utf8'), /^SERVICE_ID=web\nSERVICE_KEY=cs_sk_\w+\n$/);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal((await cli(['keys', 'create', 'web', '--to', path])).code, 1);
    const nowhere = join(folder, 'none/web.key');
    assert.equal((await cli(['keys', 'create', 'web', '--to', nowhere])).code, 1);
    assert.equal(existsSync(nowhere), false);
    const listed = JSON.parse((await cli(['keys', 'list', '--output', 'json'])).stdout) as unknown[];
    assert.equal(listed.length, 1);
    await client.del('service:key:web');
    assert.equal((await cli(['keys', 'create', 'web', '--to', 'redis', '--expires', '30d'])).code, 0);
    const left = await client.ttl('service:key:web');
    assert.ok(left > 30 * 86_400 - 60 && left <= 30 * 86_400, 'no longer than the key itself');
  });

  test('it is said when Redis lets go of a key, and that a rotation which is not over makes no other one', async (t) => {
    const { cli } = await startServer(t, {
      yaml: `callers: [cron]\nkeys: [{ redis: ${server.url} }]\nservices:\n  embeddings: { upstream: http://127.0.0.1:1 }\n`,
    });
    const made = await cli(['keys', 'create', 'cron', '--to', 'redis']);
    assert.match(
      made.stdout,
      /^made {2}key \w+ of cron is in service:key:cron in Redis at [^,]*, where it ends 20\S+Z \(90d\); before that: countersign keys rotate --config \S+ cron --to redis$/m,
    );
    assert.doesNotMatch(made.stdout, /without an end/);
    const [{ id: first } = { id: '' }] = JSON.parse((await cli(['keys', 'list', '--output', 'json'])).stdout) as {
      id: string;
    }[];
    const again = await cli(['keys', 'rotate', 'cron', '--to', 'redis']);
    assert.match(again.stdout, /^rotated {2}key \w+ of cron is in [^,]*, where it ends 20\S+Z \(90d\)/m);
    const third = await cli(['keys', 'rotate', 'cron', '--to', 'redis']);
    assert.match(third.stdout, /^is there already {2}key \w+ of cron is in [^,]*$/m);
    assert.match(third.stderr, new RegExp(`No other key was made, .* countersign keys retire --config \\S+ ${first}`));
  });

  test('status names the key in Redis that another has replaced elsewhere, since its verifiers refuse the new one', async (t) => {
    const { cli } = await startServer(t, {
      yaml: `callers: [batch]\nkeys: [{ redis: ${server.url} }]\nservices:\n  embeddings: { upstream: http://127.0.0.1:1 }\n`,
    });
    const made = await cli(['keys', 'create', 'batch', '--to', 'redis', '--output', 'json']);
    const { id } = JSON.parse(made.stdout) as { id: string };
    const held = new RegExp(
      `^wanting +service:key:batch in Redis holds key ${id}, which \\w+ has replaced: .*: countersign keys rotate --config \\S+ batch --to redis$`,
      'm',
    );
    assert.doesNotMatch((await cli(['status'])).stdout, held);
    assert.equal((await cli(['keys', 'rotate', 'batch'])).code, 0);
    const status = await cli(['status']);
    assert.match(status.stdout, held);
    assert.equal((await cli(['keys', 'retire', id, '--force'])).code, 0);
    assert.equal((await cli(['keys', 'rotate', 'batch', '--to', 'redis'])).code, 0);
    assert.doesNotMatch((await cli(['status'])).stdout, held);
  });

  test('a key that Redis will let go of is told before it does, and what is said to do about it gives it a successor', async (t) => {
    const client = new Redis(server.url);
    t.after(() => client.disconnect());
    await client.set('service:key:mail', theirs, 'EX', 10 * 86_400);
    const { cli, stderr } = await startServer(t, {
      yaml: `callers: [mail]\nkeys: [{ redis: ${server.url} }]\nservices:\n  embeddings: { upstream: http://127.0.0.1:1 }\n`,
    });
    const words =
      /key redis:mail of mail ends in 9 days where it lies: countersign keys rotate --config \S+ mail --to redis$/m;
    await until(() => words.test(stderr()));
    assert.match((await cli(['status'])).stdout, words);
    const { stdout: report } = await cli(['report']);
    assert.match(report, /^redis:mail +mail +hs +20\S+Z +none$/m);
    const refused = await cli(['keys', 'rotate', 'mail', '--to', 'redis']);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /the key of mail lies outside the store alone \(redis:mail\)[^]*redis-cli get service:key:mail \| countersign keys import --config \S+ mail --kind hs$/m,
    );
    assert.equal((await cli(['keys', 'import', 'mail', '--kind', 'hs'], theirs)).code, 0);
    assert.equal((await cli(['keys', 'rotate', 'mail', '--to', 'redis'])).code, 0);
    assert.notEqual(await client.get('service:key:mail'), theirs);
    assert.doesNotMatch((await cli(['status'])).stdout, /redis:mail/);
  });
}
