/** Envoy itself is in no package registry that tests may use: what everything rests on is looked up in the shipped file. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { envoyPrefix } from '../../src/authority/forward-auth/dialects.ts';
import { IDENTITY_HEADERS } from '../../src/core/identity.ts';

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
