/**
 * The collection of deploy/ansible, installed as its users install it and run for real against the six hosts of its own
 * inventory. The services sign their calls and a real gateway on main-backend judges them by the delivered key files.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { ansible, skipWithout } from '../fixtures/programs.ts';
import { skipWithoutNamespaces, startSite, type Ended, type Site } from '../fixtures/site.ts';

const root = join(import.meta.dirname, '../..');
const inventory = join(root, 'deploy/ansible/inventory/six-hosts.yml');
const addresses = addressesOf(readFileSync(inventory, 'utf8'));
const hosts = Object.keys(addresses);
const skip = skipWithoutNamespaces() || skipWithout(ansible);

/** Ansible is slow, and slower beside other tests. */
const timeout = 400_000;

let site: Site;
let playEnv: Record<string, string>;

function addressesOf(text: string): Record<string, string> {
  const { countersign_services: services } = parse(text).all.children;
  return Object.fromEntries(
    Object.entries<{ ansible_host: string }>(services.hosts).map(([name, vars]) => [name, vars.ansible_host]),
  );
}

before(async () => {
  if (skip !== false) return;
  const stack = ['service.py', 'restart.sh', 'countersign.yaml'].map((name) => join(root, 'test/fixtures/site', name));
  site = await startSite({ hosts: addresses, files: [...stack, join(root, 'examples/python/countersign_sign.py')] });
  const collections = join(site.folder, 'collections');
  const installed = await site.run(
    'ansible-galaxy',
    ['collection', 'install', '--offline', join(root, 'deploy/ansible'), '-p', collections],
    { env: { ANSIBLE_HOME: join(site.folder, '.ansible'), HOME: site.folder } },
  );
  assert.equal(installed.code, 0, installed.stdout + installed.stderr);
  mkdirSync(keyFolder(), { mode: 0o700 });
  offer(first);
  // What is systemctl elsewhere. All else is what the inventory says.
  const vars = {
    service_keys_source: keyFolder(),
    service_keys_restart_command: ['sh', '/opt/stack/restart.sh', '{{ service_keys_service }}'],
    service_keys_check_retries: 2,
  };
  writeFileSync(join(site.folder, 'vars.yml'), JSON.stringify(vars));
  playEnv = {
    HOME: site.folder,
    ANSIBLE_HOME: join(site.folder, '.ansible'),
    ANSIBLE_COLLECTIONS_PATH: collections,
    ANSIBLE_COLLECTIONS_PATHS: collections,
    ANSIBLE_SSH_ARGS: site.sshOptions,
    ANSIBLE_PIPELINING: '1',
    ANSIBLE_FORKS: '6',
    ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
    ANSIBLE_NOCOLOR: '1',
    ANSIBLE_DISPLAY_SKIPPED_HOSTS: '0',
  };
});

after(() => site?.stop());

const keyFolder = (): string => join(site.folder, 'keys');
const keyFile = (host: string): string => `/etc/autobot/service-keys/${host}.env`;
const fingerprint = (key: string): string => createHash('sha256').update(key).digest('hex');

type Keys = ReadonlyMap<string, string>;

/** The keys of the first delivery, and those that take their place. */
const [first, second]: readonly [Keys, Keys] = [newKeys(), newKeys()];

function newKeys(): Keys {
  return new Map(hosts.map((host) => [host, randomBytes(32).toString('hex')]));
}

function offer(keys: Keys): void {
  for (const [host, key] of keys) writeFileSync(join(keyFolder(), `${host}.key`), `${key}\n`, { mode: 0o600 });
}

/** Whatever it says must show no key. */
async function play(name: string, ...args: string[]): Promise<Ended & { readonly text: string }> {
  const ended = await site.run(
    'ansible-playbook',
    ['-i', inventory, `countersign.stack.${name}`, '-e', `@${join(site.folder, 'vars.yml')}`, ...args],
    { env: playEnv },
  );
  const text = ended.stdout + ended.stderr;
  for (const key of [...first.values(), ...second.values()]) assert.ok(!text.includes(key), 'a key was shown');
  return { ...ended, text };
}

/** One host after the other is how it is meant, and what the host that fails midway shows; elsewhere it only takes long. */
const allAtOnce = ['-e', 'service_keys_serial=100%'];

/** Host → what its last line in the recap counts. */
function recap({ stdout }: Ended): Map<string, Record<string, number>> {
  return new Map(
    [...stdout.matchAll(/^(\S+)\s+: (ok=.*)$/gm)].map((match) => [
      match[1] as string,
      Object.fromEntries([...(match[2] as string).matchAll(/(\w+)=(\d+)/g)].map((pair) => [pair[1], Number(pair[2])])),
    ]),
  );
}

const changedHosts = (ended: Ended): string[] =>
  [...recap(ended)]
    .filter(([, counts]) => counts['changed'] !== 0)
    .map(([host]) => host)
    .toSorted();

async function onEach(script: string | ((host: string) => string)): Promise<Record<string, string>> {
  const answers = await Promise.all(
    hosts.map(async (host) => {
      const { code, stdout, stderr } = await site.on(host, typeof script === 'string' ? script : script(host));
      assert.equal(code, 0, `${host}: ${stderr}`);
      return [host, stdout.trim()] as const;
    }),
  );
  return Object.fromEntries(answers);
}

/** Bytes, owner and mode of all that is delivered. */
const delivered = (): Promise<Record<string, string>> =>
  onEach(
    `find /etc/autobot /etc/countersign -type f -printf '%p %m %u:%g ' -exec sh -c 'sha256sum <"$1"' - {} ';' | sort`,
  );

const running = (): Promise<Record<string, string>> => onEach('curl -fsS http://127.0.0.1:9100/key-fingerprint');

/** Every service makes a signed call to main-backend, through its gateway. */
async function callsPass(): Promise<void> {
  const answers = await onEach('curl -fsS http://127.0.0.1:9100/call');
  for (const host of hosts)
    assert.deepEqual(JSON.parse(answers[host] as string), { status: 200, body: `pong for service:${host}` });
}

async function startGateway(): Promise<void> {
  const { code, stderr } = await site.on(
    'main-backend',
    `mkdir -p /var/lib/gateway && chown 7100 /var/lib/gateway && cd /var/lib/gateway &&
     cp /opt/stack/countersign.yaml . &&
     { setsid setpriv --reuid 7100 --regid 7100 --clear-groups env PATH=${join(root, 'node_modules/.bin')}:$PATH \
       node ${join(root, 'src/cli/main.ts')} serve </dev/null >log 2>&1 & echo $! >pid; } &&
     until curl -fs -o ready http://10.0.0.20:8700/health/ready; do kill -0 $(cat pid) || { cat log >&2; exit 1; }; sleep 0.1; done`,
  );
  assert.equal(code, 0, stderr);
}

const only = (chosen: readonly string[], whenChosen: Keys, others: Keys) =>
  Object.fromEntries(
    hosts.map((host) => [host, fingerprint((chosen.includes(host) ? whenChosen : others).get(host) as string)]),
  );

let settled: Record<string, string>;

test('a host whose clock is wrong is named, and nothing is changed anywhere', { skip, timeout }, async () => {
  await site.on(
    'ai-stack',
    `printf '#!/bin/sh\\nexpr $(/bin/date +%%s) - 3600\\n' >/usr/local/bin/date; chmod 755 /usr/local/bin/date`,
  );
  const ended = await play('deploy');
  await site.on('ai-stack', 'rm /usr/local/bin/date');
  assert.equal(ended.code, 2, ended.text);
  assert.match(ended.stdout, /fatal: \[ai-stack\].*The clock of ai-stack differs by -3[56]\d\d s/);
  assert.deepEqual(changedHosts(ended), []);
  assert.deepEqual(
    new Set(Object.values(await onEach('ls -A /etc/autobot /etc/countersign 2>&1 | grep -c env || true'))),
    new Set(['0']),
  );
});

test("delivers every key, 0600 and its owner's, and the services take it up", { skip, timeout }, async () => {
  const ended = await play('deploy', '-vvv', ...allAtOnce);
  assert.equal(ended.code, 0, ended.text);
  const found = await onEach((host) => `stat -c '%a %U %G' ${keyFile(host)}; cat ${keyFile(host)}`);
  for (const host of hosts)
    assert.equal(found[host], `600 stack stack\nSERVICE_ID=${host}\nSERVICE_KEY=${first.get(host)}`);
  assert.deepEqual(await running(), only(hosts, first, first));
  await startGateway();
  await callsPass();
});

test('a second run changes nothing', { skip, timeout }, async () => {
  const stamps = () =>
    onEach(`find /etc/autobot /etc/countersign /var/backups/countersign /run/service.pid -printf '%p %i %T@\n' | sort`);
  const earlier = await stamps();
  const ended = await play('deploy', ...allAtOnce);
  assert.equal(ended.code, 0, ended.text);
  assert.deepEqual(changedHosts(ended), []);
  assert.deepEqual(await stamps(), earlier);
});

test('a host that fails midway is put back and named; all hosts are still accepted', { skip, timeout }, async () => {
  settled = await delivered();
  offer(second);
  await site.on('redis-stack', `echo ${second.get('redis-stack')} >/run/refuse`);
  const ended = await play('deploy');
  assert.equal(ended.code, 2, ended.text);
  assert.match(
    ended.stdout,
    /redis-stack \(redis-stack\) failed: Restart the service: .*It was put back as it was and runs with its former key/,
  );
  assert.deepEqual(
    [...recap(ended)].filter(([, counts]) => counts['failed'] !== 0).map(([host]) => host),
    ['redis-stack'],
  );
  assert.deepEqual(await running(), only(['main-backend', 'frontend', 'npu-worker'], second, first));
  const now = await delivered();
  for (const host of ['redis-stack', 'ai-stack', 'browser-service']) assert.equal(now[host], settled[host]);
  await callsPass();
});

test('verify names the hosts that are behind, and no other', { skip, timeout }, async () => {
  const ended = await play('verify', '--limit', 'npu-worker,redis-stack');
  assert.equal(ended.code, 2, ended.text);
  const named = [...ended.stdout.matchAll(/fatal: \[([^\]]+)\]: FAILED! => .*is not as it should be/g)];
  assert.deepEqual(named.map((match) => match[1]).toSorted(), ['redis-stack']);
});

test('rollback restores every host byte for byte', { skip, timeout }, async () => {
  const ended = await play('rollback', ...allAtOnce);
  assert.equal(ended.code, 0, ended.text);
  assert.deepEqual(changedHosts(ended), ['frontend', 'main-backend', 'npu-worker']);
  assert.deepEqual(await delivered(), settled);
  assert.deepEqual(await running(), only(hosts, first, first));
  await callsPass();
});

test('a rotation ends with the former keys retired and no copy of them left', { skip, timeout }, async () => {
  await site.on('redis-stack', 'rm /run/refuse');
  // One of the keys comes from a vault.
  rmSync(join(keyFolder(), 'frontend.key'));
  const vault = join(site.folder, 'vault.yml');
  writeFileSync(vault, JSON.stringify({ service_keys_values: { frontend: second.get('frontend') } }), { mode: 0o600 });
  const ended = await play('rotate', '-e', 'service_keys_retire=true', '-e', `@${vault}`, ...allAtOnce);
  assert.equal(ended.code, 0, ended.text);
  assert.deepEqual(await running(), only(hosts, second, second));
  const copies = await onEach(`find /etc/autobot /var/backups -name '*previous*' -o -path '*countersign*' | wc -l`);
  assert.deepEqual(new Set(Object.values(copies)), new Set(['0']));
  await callsPass();
});
