import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../compose/load/load.ts';
import { namedRoute } from './named-route.ts';

const config = parseConfig(
  `services:
  npu-worker: { upstream: http://127.0.0.1:9, routes: [{ path: /infer }, { path: /all/* }] }
  browser: { upstream: http://127.0.0.1:9, routes: [{ path: /* }, { path: /npu-worker/infer }] }
  plain: { upstream: http://127.0.0.1:9 }
`,
  { file: null, env: {} },
);

test('a route is found as the report, mode get and a ramp name it, and as its rule is written', () => {
  const named = (route: string) => namedRoute(config, route);
  assert.deepEqual(named('/infer'), { route: '/infer' });
  for (const slash of ['', '/']) {
    assert.deepEqual(named(`${slash}npu-worker/all/*`), { service: 'npu-worker', route: '/all/*' });
    assert.deepEqual(named(`${slash}browser/*`), { service: 'browser', route: '/*' });
    assert.deepEqual(named(`${slash}plain/*`), { service: 'plain', route: '*' }, 'what has no rule');
  }
  assert.deepEqual(named('npu-worker/infer'), { service: 'npu-worker', route: '/infer' });
  assert.deepEqual(named('/npu-worker/infer'), { route: '/npu-worker/infer' }, 'a rule of this very path');
  assert.deepEqual(named('*'), { route: '*' });
  assert.deepEqual(named('/gone/x'), { route: '/gone/x' });
});
