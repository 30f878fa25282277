/** Ansible itself, over its local connection: two services on this machine, in a folder of their own. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { ansible, skipWithout } from '../../../../test/fixtures/programs.ts';

const skip = skipWithout(ansible);

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-deploy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices: { aidb: { upstream: http://127.0.0.1:8081 } }\n',
  );
  const local = {
    ansible_connection: 'local',
    ansible_python_interpreter: '/usr/bin/python3',
    service_keys_owner: String(process.getuid?.()),
    service_keys_group: String(process.getgid?.()),
    service_keys_folder: join(folder, 'keys'),
    service_keys_settings_file: join(folder, 'settings/{{ service_keys_service }}.settings'),
    service_keys_backup_folder: join(folder, 'backup'),
    // What a test plants makes the restart of that service fail.
    service_keys_restart_command: ['test', '!', '-e', join(folder, 'broken-{{ service_keys_service }}')],
  };
  const inventory = join(folder, 'hosts.json');
  const hosts = { aidb: {}, 'host-2': { service_keys_service: 'frontend' } };
  writeFileSync(inventory, JSON.stringify({ all: { children: { countersign_services: { hosts, vars: local } } } }));
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  const cli = (...args: string[]) => cliHere(args, { cwd: folder, env });
  return {
    folder,
    cli,
    deploy: (action: string, ...args: string[]) =>
      cli('deploy', 'ansible', action, '--inventory', inventory, '--output', 'json', ...args),
    env: (service: string) => readFileSync(join(folder, 'keys', `${service}.env`), 'utf8'),
    async key(service: string): Promise<string> {
      const made = await cli('keys', 'create', service, '--kind', 'hs', '--output', 'json');
      assert.equal(made.code, 0, made.stderr);
      return JSON.parse(made.stdout).key;
    },
  };
}

const leftInMemory = (): string[] => readdirSync('/dev/shm').filter((name) => name.includes(`-${process.pid}-`));

test(
  'every service gets its secret of the store, a host that fails is named, and rollback takes it back',
  { skip },
  async (t) => {
    const { deploy, key, env, folder } = place(t);
    const aidb = await key('aidb');
    const refusal = await deploy('deploy');
    assert.equal(refusal.code, 1);
    assert.match(refusal.stderr, /no key to bring to frontend; nothing was changed/);
    const frontend = await key('frontend');

    const { code, stdout, stderr } = await deploy('deploy');
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), {
      dry_run: false,
      done: true,
      hosts: [
        { host: 'aidb', result: 'changed' },
        { host: 'host-2', result: 'changed' },
      ],
    });
    assert.equal(env('aidb'), `SERVICE_ID=aidb\nSERVICE_KEY=${aidb}\n`);
    assert.equal(env('frontend'), `SERVICE_ID=frontend\nSERVICE_KEY=${frontend}\n`);
    assert.equal(statSync(join(folder, 'keys/aidb.env')).mode & 0o777, 0o600);
    assert.ok(!(stdout + stderr).includes(aidb) && !(stdout + stderr).includes(frontend));
    assert.deepEqual(leftInMemory(), []);

    const second = await key('aidb');
    const third = await key('frontend');
    writeFileSync(join(folder, 'broken-frontend'), '');
    const failed = await deploy('deploy');
    assert.equal(failed.code, 1, failed.stderr);
    assert.deepEqual(JSON.parse(failed.stdout).hosts, [
      { host: 'aidb', result: 'changed' },
      { host: 'host-2', result: 'failed' },
    ]);
    assert.match(failed.stderr, /host-2 \(frontend\) failed/);
    assert.match(env('aidb'), new RegExp(second));
    assert.ok(!env('frontend').includes(third));
    rmSync(join(folder, 'broken-frontend'));

    assert.equal((await deploy('rollback')).code, 0);
    assert.match(env('aidb'), new RegExp(aidb));
  },
);

test(
  'keys come from a folder too, a trial run changes nothing, and a wrong call is told before anything runs',
  { skip },
  async (t) => {
    const { deploy, cli, folder } = place(t);
    const source = mkdtempSync(join(folder, 'source-'));
    writeFileSync(join(source, 'aidb.key'), 'a'.repeat(64), { mode: 0o600 });
    writeFileSync(join(source, 'frontend.env'), `SERVICE_KEY=${'b'.repeat(64)}\n`, { mode: 0o600 });
    const { code, stdout, stderr } = await deploy('deploy', '--keys', source, '--limit', 'host-2', '--dry-run');
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), { dry_run: true, done: true, hosts: [{ host: 'host-2', result: 'changed' }] });
    const inWords = [
      'deploy',
      'ansible',
      'deploy',
      '--inventory',
      join(folder, 'hosts.json'),
      '--keys',
      source,
      '--dry-run',
    ];
    const said = await cli(...inWords);
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /^HOST +RESULT\naidb +would change\n/);
    assert.ok(!readdirSync(folder).includes('keys'));

    assert.equal((await deploy('destroy')).code, 2);
    assert.equal((await deploy('deploy', '--retire')).code, 2);
    assert.equal((await cli('deploy', 'ansible', 'deploy')).code, 2);
    assert.equal((await cli('deploy', 'ansible', 'deploy', '--inventory', 'nowhere.yml')).code, 1);
  },
);
