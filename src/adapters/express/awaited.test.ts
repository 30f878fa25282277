import assert from 'node:assert/strict';
import { test } from 'node:test';
import express from 'express';
import { callerOf, callersKey } from './express.fixtures.ts';
import { protect, type ExpressRequest } from './index.ts';

/** As restify does: what a middleware returns is awaited, and then the next one has its turn. */
test('a router that awaits its middleware goes on to no handler after a refusal', async (t) => {
  const guard = await protect({
    service: 'a',
    keys: [await callersKey(t)],
    env: {},
    routes: [{ path: '/x', callers: ['operations'] }],
  });
  t.after(() => guard.close());
  const returned: unknown[] = [];
  const app = express();
  app.use((req, res, next) => {
    // A signed body is waited for.
    returned.push(guard(req as ExpressRequest, res, next) as unknown);
  });
  app.use((_req, res) => void res.send('in'));
  const { fetch } = await callerOf(t, app);
  assert.equal((await fetch('/x', { method: 'POST', body: 'hello' })).status, 403);
  assert.equal((await fetch('/y', { method: 'POST', body: 'hello' })).status, 200);
  assert.deepEqual(returned, [undefined, undefined]);
});

test('what throws behind the guard, in a router that does not catch it, is told by next', async (t) => {
  const guard = await protect({ service: 'a', keys: [await callersKey(t)], env: {} });
  t.after(() => guard.close());
  const app = express();
  app.use((req, res) => {
    // Again a signed body is waited for, so that nobody is left above whom it could be thrown at.
    guard(req as ExpressRequest, res, (error?: unknown) => {
      if (error === undefined) throw new Error('the handler failed');
      res.status(500).send((error as Error).message);
    });
  });
  const { fetch } = await callerOf(t, app);
  const answer = await fetch('/x', { method: 'POST', body: 'hello' });
  assert.deepEqual([answer.status, await answer.text()], [500, 'the handler failed']);
});
