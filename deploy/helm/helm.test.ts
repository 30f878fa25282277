/** By the real Helm: what the chart renders, what it refuses, and that the program starts as the pod is told to. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { helm, plainManifests, skipWithoutHelm } from '../../test/fixtures/helm.ts';
import { faultsOf, manifestsIn, type Manifest } from '../../test/fixtures/manifests.ts';
import { freePort } from '../../test/fixtures/free-port.ts';
import { temporaryFolder } from '../../test/fixtures/proxied-stack.ts';

const skip = skipWithoutHelm();
const root = join(import.meta.dirname, '../..');

function rendered(...settings: readonly string[]) {
  const { status, stdout, stderr } = helm('template', ...settings.flatMap((setting) => ['--set-json', setting]));
  assert.equal(status, 0, stderr);
  return manifestsIn(stdout);
}

function refused(...settings: readonly string[]): string {
  const { status, stderr } = helm('template', ...settings.flatMap((setting) => ['--set-json', setting]));
  assert.notEqual(status, 0, settings.join(' '));
  return stderr;
}

const kinds = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind).sort();
const one = (manifests: ReturnType<typeof rendered>, kind: string) =>
  manifests.find((manifest) => manifest.kind === kind) ?? assert.fail(kind);

test('Helm finds no fault in the chart', { skip }, () => {
  const { status, stdout } = helm('lint', '--strict');
  assert.equal(status, 0, stdout);
});

test('the manifests for those without Helm are the chart by its defaults', { skip }, () => {
  const written = readFileSync(join(root, 'deploy/kubernetes/countersign.yaml'), 'utf8');
  assert.equal(written, plainManifests(), 'run `npm run manifests`');
});

test('whatever is switched on, Kubernetes knows every field of it', { skip }, async () => {
  const all = rendered(
    'store="redis"',
    `secret={"create":true,"values":{"master-key":"${'ab'.repeat(32)}","redis-url":"redis://redis:6379","admin-token":"x"}}`,
    'keySecrets=["embeddings-keys"]',
    'imagePullSecrets=[{"name":"registry"}]',
    `image.digest="sha256:${'0'.repeat(64)}"`,
    'networkPolicy.from=[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"ingress-nginx"}}}]',
    'networkPolicy.to=[{"ipBlock":{"cidr":"10.0.0.0/8"}}]',
    'httpRoute={"enabled":true,"parentRefs":[{"name":"public"}],"hostnames":["stack.example.org"]}',
    'ingress={"enabled":true,"className":"nginx","annotations":{"a":"b"},"hosts":["stack.example.org"],"tls":[{"secretName":"tls","hosts":["stack.example.org"]}]}',
    'serviceAccount.annotations={"a":"b"}',
    'podAnnotations={"a":"b"}',
    'podLabels={"c":"d"}',
    'nodeSelector={"disk":"ssd"}',
    'tolerations=[{"key":"a","operator":"Exists"}]',
    'affinity={"nodeAffinity":{}}',
  );
  assert.deepEqual(kinds(all), [
    'ConfigMap',
    'Deployment',
    'HTTPRoute',
    'Ingress',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'Secret',
    'Service',
    'ServiceAccount',
  ]);
  assert.deepEqual(await faultsOf(all), []);
});

test('no secret is in what a Secret is not, and an existing one is only named', { skip }, () => {
  const key = 'ab'.repeat(32);
  const made = rendered(
    `secret={"create":true,"values":{"master-key":"${key}","database-url":"postgres://u:hidden@db/c"}}`,
  );
  for (const manifest of made)
    if (manifest.kind !== 'Secret') assert.doesNotMatch(JSON.stringify(manifest), new RegExp(`${key}|hidden`));
  const named = rendered('secret.existing="my-own"');
  assert.ok(!kinds(named).includes('Secret'));
  assert.match(JSON.stringify(one(named, 'Deployment')), /"secretName":"my-own"/);
});

test('refuses what would not work, in words', { skip }, () => {
  assert.match(refused('store="memory"'), /store: memory is not shared/);
  assert.match(refused('secret.existing=""'), /name your Secret/);
  assert.match(refused('secret.create=true'), /master-key/);
  assert.match(refused('replica=3'), /replica/);
  assert.match(refused('store="sqlite"'), /store/);
  assert.match(refused('config.listen="0.0.0.0:1"'), /config/);
  assert.match(refused('secret={"create":true,"values":{"master-key":"short"}}'), /master-key/);
});

test('one replica has no disruption budget, which would keep its node from ever being emptied', { skip }, () => {
  assert.ok(!kinds(rendered('replicas=1')).includes('PodDisruptionBudget'));
});

test(
  'the program starts as the pod is told to, answers the probes, and takes a changed ConfigMap up',
  { skip, timeout: 60_000 },
  async (t) => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const manifests = rendered('store="memory"', 'replicas=1', `config.adminListen="127.0.0.1:${adminPort}"`);
    const [container] = one(manifests, 'Deployment').spec.template.spec.containers;
    const folder = temporaryFolder(t, 'pod');
    // Where the pod has its mounts; the port is one of this machine's.
    const inFolder = (path: string): string => join(folder, path);
    for (const path of ['/etc/countersign', '/run/secrets/countersign']) mkdirSync(inFolder(path), { recursive: true });
    const config: string = one(manifests, 'ConfigMap').data['countersign.yaml'];
    const own = config.replace(`0.0.0.0:${container.ports[0].containerPort}`, `127.0.0.1:${port}`);
    mount(inFolder('/etc/countersign'), 'first', own);
    writeFileSync(inFolder('/run/secrets/countersign/master-key'), 'ab'.repeat(32), { mode: 0o400 });
    const values = container.env.filter((variable: { value?: string }) => variable.value !== undefined);
    const env = Object.fromEntries(
      values.map(({ name, value }: { name: string; value: string }) => [name, inFolder(value)]),
    );
    assert.deepEqual(Object.keys(env), ['COUNTERSIGN_CONFIG', 'COUNTERSIGN_MASTER_KEY_FILE']);
    const { PATH = '' } = process.env;
    const server = spawn(join(root, 'bin/countersign'), container.args, { cwd: folder, env: { ...env, PATH } });
    let said = '';
    server.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ended = once(server, 'close');
    t.after(async () => {
      server.kill('SIGTERM');
      await ended;
    });
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      const { path, port: name } = container[probe].httpGet;
      assert.equal(name, container.ports[0].name);
      let answer: Response | null = null;
      while (!answer) {
        assert.equal(server.exitCode, null, said);
        answer = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => setTimeout(50, null));
      }
      assert.equal(answer.status, 200, path);
    }
    mount(inFolder('/etc/countersign'), 'second', `name: after-the-change\n${own}`);
    const named = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/info`)).text();
    while (!(await named()).includes('after-the-change')) await setTimeout(50);
  },
);

/** As the kubelet mounts a ConfigMap: links through `..data`, which is swapped in one step when the ConfigMap changes. */
function mount(folder: string, generation: string, config: string): void {
  mkdirSync(join(folder, `..${generation}`));
  writeFileSync(join(folder, `..${generation}`, 'countersign.yaml'), config);
  symlinkSync(`..${generation}`, join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  if (!existsSync(join(folder, 'countersign.yaml')))
    symlinkSync('..data/countersign.yaml', join(folder, 'countersign.yaml'));
}
