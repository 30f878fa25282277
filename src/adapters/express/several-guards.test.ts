import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import express, { type Request, type Response } from 'express';
import type { ServiceClient } from '../../client/index.ts';
import { callerOf, callersKey } from './express.fixtures.ts';
import { expressGuard, protect } from './index.ts';

interface Parts {
  readonly decisions: string[];
  readonly client: ServiceClient;
}

async function partsFor(t: TestContext): Promise<Parts> {
  const decisions: string[] = [];
  const options = {
    service: 'embeddings',
    keys: [await callersKey(t)],
    env: {},
    onDecision: ({ outcome }: { outcome: string }) => void decisions.push(outcome),
  };
  const whole = await protect(options);
  const part = await protect({ ...options, routes: [{ path: '/part', callers: ['hybrid'] }], maxSignedBody: '1KiB' });
  const app = express();
  const text = express.text({ type: () => true });
  const answer = (req: Request, res: Response) => {
    // Whoever prints a request must not print what judged it.
    const ours = Object.getOwnPropertySymbols(req).filter(({ description }) => description?.startsWith('countersign'));
    const shown = ours.map((name) => inspect(Reflect.get(req, name), { depth: Infinity, showHidden: true }));
    assert.deepEqual(shown, ['Judged {}']);
    res.json({ caller: req.principal?.id, body: typeof req.body === 'string' ? req.body : '' });
  };
  app.use(whole);
  app.post('/twice', whole, expressGuard(whole.protection), text, answer);
  app.post('/part', part, text, answer);
  t.after(() => Promise.all([whole.close(), part.close()]));
  return { decisions, client: await callerOf(t, app) };
}

for (const body of ['', 'hello'])
  test(`a guard that stands twice before a handler judges once, ${body === '' ? 'without' : 'with'} a body`, async (t) => {
    const { client, decisions } = await partsFor(t);
    const response = await client.fetch('/twice', { method: 'POST', body });
    assert.deepEqual(await response.json(), { caller: 'service:hybrid', body });
    assert.deepEqual(decisions, ['allow']);
  });

test('a part that has a guard of its own besides verifies the same body', async (t) => {
  const { client, decisions } = await partsFor(t);
  const response = await client.fetch('/part', { method: 'POST', body: 'hello' });
  assert.deepEqual(await response.json(), { caller: 'service:hybrid', body: 'hello' });
  assert.deepEqual(decisions, ['allow', 'allow']);
  assert.equal((await client.fetch('/part', { method: 'POST', body: 'x'.repeat(2000) })).status, 413);
});
