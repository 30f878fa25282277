import assert from 'node:assert/strict';
import { test } from 'node:test';
import express from 'express';
import { callerOf, callersKey } from './express.fixtures.ts';
import { protect } from './index.ts';

test('whoever parses bodies before the guard is told so, once, without a log', async (t) => {
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  const guard = await protect({ service: 'a', keys: [await callersKey(t)], env: {}, warn });
  t.after(() => guard.close());
  const app = express();
  app.use(express.json(), guard);
  app.use((_req, res) => void res.send('in'));
  const client = await callerOf(t, app);
  const headers = { 'content-type': 'application/json' };
  for (let times = 0; times < 2; times += 1)
    assert.equal((await client.fetch('/', { method: 'POST', body: '{}', headers })).status, 503);
  assert.equal((await client.fetch('/')).status, 200);
  assert.deepEqual(warnings, [
    'a request with a signed body cannot be judged, which is 503 where that is enforced: the body was read before it could be verified: let protect come before what reads bodies',
  ]);
});
