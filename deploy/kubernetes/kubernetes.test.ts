/** Offline, against the schemas of Kubernetes and of the Gateway API, and for what a stack rests on. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '../../src/compose/load/load.ts';
import { IDENTITY_HEADERS } from '../../src/core/identity.ts';
import { faultsOf, manifestsIn } from '../../test/fixtures/manifests.ts';

const files = globSync('*.yaml', { cwd: import.meta.dirname }).sort();
const read = (file: string) => manifestsIn(readFileSync(join(import.meta.dirname, file), 'utf8'));
const all = files.flatMap(read);

test('Kubernetes knows every field of every manifest', async () => {
  assert.deepEqual(files, ['countersign.yaml', 'gateway-api.yaml', 'ingress-nginx.yaml', 'sidecar.yaml']);
  assert.deepEqual(await faultsOf(all), []);
});

test('a misspelt field, a wrong type and a missing one are found', async () => {
  const spec = { replicas: 'two', template: { spec: { contaners: [] } } };
  const faults = await faultsOf(
    manifestsIn(JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'wrong' }, spec })),
  );
  for (const fault of [/required property selector/, /replicas must be integer/, /"contaners"/])
    assert.match(faults.join('\n'), fault);
});

test('chart and manifests speak of this version', () => {
  const text = (file: string): string => readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
  const { version } = JSON.parse(text('package.json'));
  const chart = parse(text('deploy/helm/countersign/Chart.yaml'));
  assert.deepEqual([chart.version, chart.appVersion], [version, version]);
  const images = files.flatMap((file) => [...text(`deploy/kubernetes/${file}`).matchAll(/image: countersign:(.*)/g)]);
  assert.deepEqual(
    images.map(([, tag]) => tag),
    [version, version],
  );
});

test('every configuration in a ConfigMap is sound', () => {
  const configs = all.flatMap(({ data }) => data?.['countersign.yaml'] ?? []);
  assert.equal(configs.length, 2);
  for (const config of configs) assert.ok(parseConfig(config, { file: null, env: {} }).services.length > 0);
});

test('every Countersign runs without privileges, as nobody, and writes nowhere', () => {
  const ours = all
    .filter(({ kind }) => kind === 'Deployment')
    .map(({ spec }) => spec.template.spec)
    .flatMap((pod) =>
      [...(pod.initContainers ?? []), ...pod.containers]
        .filter(({ name }: { name: string }) => name === 'countersign')
        .map((container) => ({ pod, container })),
    );
  assert.equal(ours.length, 2);
  for (const { pod, container } of ours) {
    assert.equal(pod.automountServiceAccountToken, false);
    const context = { ...pod.securityContext, ...container.securityContext };
    assert.equal(context.runAsNonRoot, true);
    assert.equal(context.readOnlyRootFilesystem, true);
    assert.equal(context.allowPrivilegeEscalation, false);
    assert.deepEqual(context.capabilities, { drop: ['ALL'] });
    assert.deepEqual(context.seccompProfile, { type: 'RuntimeDefault' });
    for (const mount of container.volumeMounts) {
      assert.equal(mount.readOnly, true);
      assert.equal(mount.subPath, undefined, 'a subPath is not updated when its Secret changes');
    }
  }
});

test('no service is reached around its sidecar: the Service points at the port of Countersign', () => {
  const sidecar = read('sidecar.yaml');
  const find = (wanted: string) => sidecar.find(({ kind }) => kind === wanted)?.spec;
  const [proxy] = find('Deployment').template.spec.initContainers;
  const [service] = find('Deployment').template.spec.containers;
  assert.equal(find('Service').ports[0].targetPort, proxy.ports[0].name);
  assert.equal(service.ports, undefined);
  assert.deepEqual(service.env[0], { name: 'HOST', value: '127.0.0.1' });
});

test('ingress-nginx is told to hand all identity headers on, and asks for a service by name', () => {
  const [ingress] = read('ingress-nginx.yaml');
  const { annotations } = ingress.metadata;
  const value = (name: string): string => annotations[`nginx.ingress.kubernetes.io/${name}`] ?? '';
  assert.deepEqual(value('auth-response-headers').split(','), [...IDENTITY_HEADERS]);
  const url = new URL(value('auth-url'));
  assert.equal(url.pathname, '/auth/verify/ingress-nginx');
  assert.equal(url.searchParams.get('service'), 'embeddings');
});
