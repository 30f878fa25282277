import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { envoyPrefix } from '../../src/authority/forward-auth/dialects.ts';
import { IDENTITY_HEADERS } from '../../src/core/identity.ts';
import { envoy, provide } from '../../test/fixtures/programs.ts';
import { shipped, startProxy, temporaryFolder, type Addresses } from '../../test/fixtures/proxied-stack.ts';
import { http2Contract } from '../../test/fixtures/proxy-http2.contract.ts';
import { proxyContract } from '../../test/fixtures/proxy.contract.ts';

const start = async (t: TestContext, addresses: Addresses): Promise<void> => {
  const file = join(temporaryFolder(t, 'envoy'), 'envoy.yaml');
  const config = shipped(join(import.meta.dirname, 'envoy.yaml'), addresses);
  // Envoy gives a client a second to close first, once for each request of these tests.
  writeFileSync(file, config.replace(/^( *)stat_prefix: stack$/m, '$&\n$1delayed_close_timeout: 0.05s'));
  const args = ['--config-path', file, '--concurrency', '1', '--use-dynamic-base-id'];
  await startProxy(t, provide(envoy), args, { port: addresses.proxy });
};

const proxy = { program: envoy, away: 503, namesService: false, joinsLines: true, start } as const;
proxyContract('Envoy', proxy);
http2Contract('Envoy', proxy);

const { static_resources: resources } = parse(readFileSync(join(import.meta.dirname, 'envoy.yaml'), 'utf8'));
const manager = resources.listeners[0].filter_chains[0].filters[0].typed_config;
const names = IDENTITY_HEADERS.map((name) => name.toLowerCase());

test("Envoy takes the client's identity off, asks, and only then routes", () => {
  const filters: readonly { name: string }[] = manager.http_filters;
  assert.deepEqual(
    filters.map(({ name }) => name.replace('envoy.filters.http.', '')),
    ['header_mutation', 'ext_authz', 'lua', 'router'],
  );
  const [{ typed_config: claims }, { typed_config: question }] = manager.http_filters;
  const removed = claims.mutations.request_mutations.map(({ remove }: { remove: string }) => remove);
  for (const name of names) assert.ok(removed.includes(name), name);
  assert.equal(manager.skip_xff_append, true);
  const said = claims.mutations.request_mutations.flatMap(({ append }: { append?: { header: object } }) =>
    append ? [append.header] : [],
  );
  assert.deepEqual(said, [
    { key: 'x-forwarded-for', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' },
    { key: 'x-forwarded-host', value: '%REQ(:authority)%' },
  ]);
  assert.equal(question.failure_mode_allow, false);
  const { path_prefix: prefix, authorization_response: response } = question.http_service;
  assert.equal(prefix, envoyPrefix);
  assert.deepEqual(
    response.allowed_upstream_headers.patterns.map(({ exact }: { exact: string }) => exact),
    names,
  );
});

test('Envoy repairs no path, lets no other spelling of a header in, and upgrades to WebSockets only', () => {
  assert.equal(manager.normalize_path, false);
  assert.equal(manager.merge_slashes, false);
  assert.equal(manager.path_with_escaped_slashes_action, 'REJECT_REQUEST');
  assert.equal(manager.common_http_protocol_options.headers_with_underscores_action, 'REJECT_REQUEST');
  assert.deepEqual(manager.upgrade_configs, [{ upgrade_type: 'websocket' }]);
});
