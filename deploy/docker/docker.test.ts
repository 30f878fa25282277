/** There is no Docker where these tests run: the steps of the image are those of test/e2e/packed.test.ts, the files are read. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '../../src/compose/load/load.ts';

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');
const compose = parse(read('compose.yaml'));

test('only Countersign has a port, and it is on loopback; the services are on a network without a way out', () => {
  const published = Object.entries<{ ports?: string[] }>(compose.services).filter(([, service]) => service.ports);
  assert.deepEqual(
    published.map(([name, { ports }]) => [name, ports]),
    [['countersign', ['127.0.0.1:8700:8700']]],
  );
  assert.equal(compose.networks.services.internal, true);
  for (const [name, service] of Object.entries<{ networks: string[] }>(compose.services))
    if (name !== 'countersign') assert.deepEqual(service.networks, ['services'], name);
});

test('Countersign runs without privileges, writes to its state only, and gets its master key as a file', () => {
  const { countersign } = compose.services;
  assert.equal(countersign.read_only, true);
  assert.deepEqual(countersign.cap_drop, ['ALL']);
  assert.deepEqual(countersign.security_opt, ['no-new-privileges:true']);
  assert.deepEqual(countersign.ulimits, { core: 0 });
  assert.deepEqual(Object.keys(countersign.environment), ['COUNTERSIGN_MASTER_KEY_FILE']);
  assert.match(read('Dockerfile'), /^USER 1000:1000$/m);
  assert.doesNotMatch(read('Dockerfile'), /master|token|password/i);
});

test('the configuration beside it is sound and fits to the container', () => {
  const config = parseConfig(read('config/countersign.yaml'), { file: null, env: {} });
  assert.equal(config.listen.host, '0.0.0.0');
  assert.equal(config.listen.port, 8700);
  const { dockerfile, context } = compose.services.countersign.build;
  assert.ok(existsSync(join(import.meta.dirname, context, dockerfile)));
});
