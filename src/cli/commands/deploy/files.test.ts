/** `deploy env`, `docker` and `kubernetes` as their users call them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { person, sopsDecrypts, withoutSops } from '../../../../test/fixtures/sops.ts';
import { openSopsFile } from '../../../secrets/sops/sops-file.ts';

const bob = person('bob');

interface Place {
  readonly folder: string;
  /** Below it. */
  path(name: string): string;
  read(name: string): string;
  mode(name: string): number;
  cli(...args: string[]): ReturnType<typeof cliHere>;
  /** Must end with 0; its JSON. */
  done<T = Delivery>(...args: string[]): Promise<T>;
  hmacSecret(service: string): Promise<{ readonly id: string; readonly key: string }>;
}

interface Delivery {
  readonly files: readonly { readonly service: string; readonly result: string }[];
}

function place(t: TestContext): Place {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-deploy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices: { embeddings: { upstream: http://127.0.0.1:8081 } }\n',
  );
  const path = (name: string): string => join(folder, name);
  const cli: Place['cli'] = (...args) => cliHere(args, { cwd: folder, env: { HOME: folder } });
  const done = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await cli(...args, '--output', 'json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as T;
  };
  return {
    folder,
    path,
    read: (name) => readFileSync(path(name), 'utf8'),
    mode: (name) => statSync(path(name)).mode & 0o777,
    cli,
    done,
    hmacSecret: (service) => done('keys', 'create', service, '--kind', 'hs'),
  };
}

const results = ({ files }: Delivery): string[] => files.map(({ service, result }) => `${service} ${result}`);

test('each service gets its .env file, a second run changes nothing, and a rotated key replaces only its own line', async (t) => {
  const { done, cli, hmacSecret, read, mode, path } = place(t);
  const aidb = await hmacSecret('aidb');
  const frontend = await hmacSecret('frontend');
  await done('keys', 'create', 'api-only');
  const deploy = ['deploy', 'env', '--to', path('keys')];
  assert.deepEqual(results(await done(...deploy, '--dry-run')), ['aidb created', 'frontend created']);
  assert.throws(() => read('keys/aidb.env'), { code: 'ENOENT' });

  assert.deepEqual(results(await done(...deploy)), ['aidb created', 'frontend created']);
  assert.equal(read('keys/aidb.env'), `SERVICE_ID=aidb\nSERVICE_KEY=${aidb.key}\n`);
  assert.equal(read('keys/frontend.env'), `SERVICE_ID=frontend\nSERVICE_KEY=${frontend.key}\n`);
  assert.equal(mode('keys/aidb.env'), 0o600);
  assert.deepEqual(results(await done(...deploy)), ['aidb unchanged', 'frontend unchanged']);
  assert.deepEqual(readdirSync(path('keys')).sort(), ['aidb.env', 'frontend.env']);

  writeFileSync(path('keys/aidb.env'), `# by hand\nLEVEL=debug\nSERVICE_KEY=${aidb.key}\n`);
  const { key: next } = await done<{ key: string }>('keys', 'rotate', 'aidb');
  const changed = await cli(...deploy);
  assert.equal(changed.code, 0);
  assert.match(changed.stdout, /aidb +changed +.*\nfrontend +unchanged/);
  assert.ok(!(changed.stdout + changed.stderr).includes(next));
  assert.equal(read('keys/aidb.env'), `# by hand\nLEVEL=debug\nSERVICE_KEY=${next}\n`);
});

test('a rollback puts the former file back byte for byte, but not to a key that is dead', async (t) => {
  const { done, cli, hmacSecret, read, mode, path } = place(t);
  const first = await hmacSecret('aidb');
  const deploy = ['deploy', 'env', '--to', path('keys')];
  await done(...deploy);
  const before = `\n# odd, but mine\nSERVICE_KEY='${first.key}'\n\n`;
  writeFileSync(path('keys/aidb.env'), before);
  await done('keys', 'rotate', 'aidb');
  await done(...deploy);
  assert.notEqual(read('keys/aidb.env'), before);

  const back = [...deploy, '--rollback', '--only', 'aidb'];
  assert.deepEqual(results(await done(...back, '--dry-run')), ['aidb restored']);
  assert.notEqual(read('keys/aidb.env'), before);
  assert.deepEqual(results(await done(...back)), ['aidb restored']);
  assert.equal(read('keys/aidb.env'), before);
  assert.equal(mode('keys/aidb.env'), 0o600);
  assert.match((await cli(...back)).stderr, /has no former content/);

  await done(...deploy);
  const now = read('keys/aidb.env');
  await done('keys', 'revoke', first.id);
  const refusal = await cli(...back);
  assert.equal(refusal.code, 1);
  assert.match(refusal.stderr, new RegExp(`${first.id}, was revoked`));
  assert.equal(read('keys/aidb.env'), now);
});

test('keys come from a folder too, and one file that cannot be written does not keep the others waiting', async (t) => {
  const { cli, done, read, path, folder } = place(t);
  mkdirSync(path('source'));
  writeFileSync(path('source/aidb.key'), `${'ab12'.repeat(16)}\n`);
  writeFileSync(path('source/frontend.env'), `SERVICE_KEY=${'cd34'.repeat(16)}\n`);
  mkdirSync(path('keys/aidb.env'), { recursive: true });
  const deploy = ['deploy', 'env', '--to', path('keys'), '--keys', path('source')];
  const { code, stdout, stderr } = await cli(...deploy, '--output', 'json');
  assert.equal(code, 1);
  assert.deepEqual(results(JSON.parse(stdout)), ['aidb failed', 'frontend created']);
  assert.match(stderr, /aidb: .*not a regular file/);
  assert.equal(read('keys/frontend.env'), `SERVICE_ID=frontend\nSERVICE_KEY=${'cd34'.repeat(16)}\n`);

  const missing = await cli(...deploy, '--only', 'nobody');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /no key to bring to nobody; nothing was changed/);
  assert.equal((await cli('deploy', 'env')).code, 2);
  assert.equal((await cli(...deploy, '--only', '../etc')).code, 1);
  assert.equal((await cli('deploy', 'env', '--to', path('keys'), '--rollback')).code, 2);

  const empty = await cli('deploy', 'env', '--to', path('other'));
  assert.match(empty.stderr, /no key to deliver in the store/);
  assert.deepEqual(readdirSync(folder).includes('other'), false);
  await done('keys', 'create', 'aidb', '--kind', 'hs');
  mkdirSync(path('open'));
  chmodSync(path('open'), 0o777);
  const open = await cli('deploy', 'env', '--to', path('open'));
  assert.equal(open.code, 1);
  assert.match(open.stderr, /group or others can write in it \(mode 777\)/);
  assert.deepEqual(readdirSync(path('open')), []);
});

test('a key that a shell would take for more than a text comes into no .env file, and costs no way back', async (t) => {
  const { cli, done, read, path } = place(t);
  mkdirSync(path('source'));
  const deploy = ['deploy', 'env', '--to', path('keys'), '--keys', path('source')];
  const keys = ['ab12', 'cd34'].map((part) => part.repeat(16));
  for (const key of keys) {
    writeFileSync(path('source/aidb.key'), key);
    await done(...deploy);
  }
  for (const odd of ['$(reboot)', '`id`', "it's-a-key", '#ab12', 'a&b', 'a;b']) {
    writeFileSync(path('source/aidb.key'), odd.padStart(32, odd));
    for (const dry of [['--dry-run'], []]) {
      const { code, stderr } = await cli(...deploy, ...dry);
      assert.equal(code, 1);
      assert.match(stderr, /a character that readers of \.env files take differently/);
      assert.doesNotMatch(stderr, /reboot|ab12/);
    }
  }
  assert.match(read('keys/aidb.env'), new RegExp(`SERVICE_KEY=${keys[1]}\n`));
  await done('deploy', 'env', '--to', path('keys'), '--rollback', '--only', 'aidb');
  assert.match(read('keys/aidb.env'), new RegExp(`SERVICE_KEY=${keys[0]}\n`));
});

interface ComposeFile {
  readonly services: Record<string, { secrets: string[]; environment: object; labels: Record<string, string> }>;
  readonly secrets: Record<string, { file: string }>;
}

test('Compose gives each service its own key alone, and its label changes with the key', async (t) => {
  const { done, cli, hmacSecret, read, mode, path } = place(t);
  const aidb = await hmacSecret('aidb');
  await hmacSecret('frontend');
  const deploy = ['deploy', 'docker', '--to', path('keys')];
  assert.deepEqual(results(await done(...deploy)), ['aidb created', 'frontend created']);
  assert.equal(read('keys/secrets/aidb_service_key'), `${aidb.key}\n`);
  assert.equal(mode('keys/secrets/aidb_service_key'), 0o600);
  const before = read('keys/compose.secrets.yaml');
  assert.ok(!before.includes(aidb.key));
  const { services, secrets } = parse(before) as ComposeFile;
  assert.deepEqual(services['aidb'], {
    secrets: ['aidb_service_key'],
    environment: { SERVICE_ID: 'aidb', SERVICE_KEY_FILE: '/run/secrets/aidb_service_key' },
    labels: { 'countersign.key': aidb.id },
  });
  assert.deepEqual(secrets['aidb_service_key'], { file: path('keys/secrets/aidb_service_key') });
  assert.deepEqual(results(await done(...deploy)), ['aidb unchanged', 'frontend unchanged']);
  assert.equal(read('keys/compose.secrets.yaml'), before);

  const { id } = await done<{ id: string }>('keys', 'rotate', 'aidb');
  assert.deepEqual(results(await done(...deploy, '--only', 'aidb')), ['aidb changed']);
  const after = parse(read('keys/compose.secrets.yaml')) as ComposeFile;
  assert.equal(after.services['aidb']?.labels['countersign.key'], id);
  assert.deepEqual(after.services['frontend'], services['frontend']);

  await done(...deploy, '--rollback', '--only', 'aidb');
  assert.equal(read('keys/compose.secrets.yaml'), before);
  assert.equal(read('keys/secrets/aidb_service_key'), `${aidb.key}\n`);

  mkdirSync(path('source'));
  writeFileSync(path('source/aidb.key'), 'change_me_in_production\n');
  const weak = await cli(...deploy, '--keys', path('source'));
  assert.equal(weak.code, 1);
  assert.match(weak.stderr, /the key of aidb can be guessed/);
  assert.equal(read('keys/secrets/aidb_service_key'), `${aidb.key}\n`);
});

interface Patch {
  readonly spec: {
    readonly template: {
      readonly metadata: { annotations: Record<string, string> };
      readonly spec: {
        readonly containers: { name: string; volumeMounts: object[] }[];
        readonly volumes: { secret: { secretName: string } }[];
      };
    };
  };
}

test('Kubernetes gets a Secret by subPath, and the Deployment rolls when its key changes', async (t) => {
  const { done, cli, hmacSecret, read, mode, path } = place(t);
  const aidb = await hmacSecret('aidb');
  await hmacSecret('frontend');
  const deploy = ['deploy', 'kubernetes', '--to', path('keys'), '--namespace', 'ai'];
  const { stderr } = await cli(...deploy);
  assert.match(stderr, /hold the keys in the clear/);
  const secret = parse(read('keys/aidb-key.yaml'));
  assert.equal(secret.metadata.name, 'aidb-service-key');
  assert.equal(secret.metadata.namespace, 'ai');
  assert.deepEqual(secret.stringData, { service_key: aidb.key });
  assert.equal(mode('keys/aidb-key.yaml'), 0o600);
  const patch = parse(read('keys/aidb-patch.yaml')) as Patch;
  const { metadata, spec } = patch.spec.template;
  assert.equal(metadata.annotations['countersign/key'], aidb.id);
  assert.equal(spec.volumes[0]?.secret.secretName, 'aidb-service-key');
  assert.deepEqual(spec.containers[0]?.volumeMounts, [
    { name: 'service-key', mountPath: '/run/secrets/service_key', subPath: 'service_key', readOnly: true },
  ]);
  assert.deepEqual(parse(read('keys/kustomization.yaml')), {
    apiVersion: 'kustomize.config.k8s.io/v1alpha1',
    kind: 'Component',
    resources: ['aidb-key.yaml', 'frontend-key.yaml'],
    patches: [{ path: 'aidb-patch.yaml' }, { path: 'frontend-patch.yaml' }],
  });
  assert.deepEqual(results(await done(...deploy)), ['aidb unchanged', 'frontend unchanged']);

  const { id } = await done<{ id: string }>('keys', 'rotate', 'aidb');
  assert.deepEqual(results(await done(...deploy, '--only', 'aidb')), ['aidb changed']);
  assert.equal(
    (parse(read('keys/aidb-patch.yaml')) as Patch).spec.template.metadata.annotations['countersign/key'],
    id,
  );
  assert.match(read('keys/kustomization.yaml'), /frontend-key\.yaml/);

  chmodSync(path('keys/aidb-key.yaml'), 0o644);
  const open = await cli(...deploy);
  assert.equal(open.code, 1);
  assert.match(open.stderr, /can be read by others/);
  await hmacSecret('Upper.case');
  const name = await cli(...deploy);
  assert.equal(name.code, 1);
  assert.match(name.stderr, /"Upper\.case" cannot be a name in Kubernetes/);
});

/** The rules of a repository count for all folders within it. */
function repository(folder: string, people: readonly { readonly recipient: string }[]): void {
  execFileSync('git', ['init', '-q', folder]);
  const age = people.map(({ recipient }) => recipient).join(',');
  writeFileSync(join(folder, '.sops.yaml'), `creation_rules:\n  - age: ${age}\n`);
}

test('for git the manifests are sealed as SOPS files, and stay byte for byte until key or recipients change', async (t) => {
  const { done, cli, hmacSecret, read, path, folder } = place(t);
  const aidb = await hmacSecret('aidb');
  const deploy = ['deploy', 'kubernetes', '--to', path('keys'), '--sops'];
  const unruled = await cli(...deploy);
  assert.equal(unruled.code, 1);
  assert.match(unruled.stderr, /no \.sops\.yaml in .* says for whose age keys/);

  repository(folder, [bob]);
  assert.deepEqual(results(await done(...deploy)), ['aidb created']);
  const sealed = read('keys/aidb-key.yaml');
  assert.ok(!sealed.includes(aidb.key));
  const manifest = parse(sealed);
  assert.equal(manifest.kind, 'Secret');
  assert.match(manifest.stringData.service_key, /^ENC\[/);
  assert.equal(manifest.sops.encrypted_regex, '^(data|stringData)$');
  const opened = await openSopsFile(sealed, 'yaml', [bob.identity]);
  assert.deepEqual(parse(opened.plainText()).stringData, { service_key: aidb.key });
  assert.deepEqual(results(await done(...deploy)), ['aidb unchanged']);
  assert.equal(read('keys/aidb-key.yaml'), sealed);

  repository(folder, [bob, person('alice')]);
  assert.deepEqual(results(await done(...deploy)), ['aidb changed']);
  await openSopsFile(read('keys/aidb-key.yaml'), 'yaml', [person('alice').identity]);
});

test('the sops program opens a sealed manifest', { skip: withoutSops }, async (t) => {
  const { done, hmacSecret, read, path, folder } = place(t);
  const aidb = await hmacSecret('aidb');
  repository(folder, [bob]);
  await done('deploy', 'kubernetes', '--to', path('keys'), '--sops');
  const plain = parse(sopsDecrypts(read('keys/aidb-key.yaml'), 'yaml', bob, folder));
  assert.deepEqual(plain.stringData, { service_key: aidb.key });
});
