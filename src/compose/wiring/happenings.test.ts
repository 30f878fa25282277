import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Act, Actor } from '../../core/event.ts';
import type { Decision } from '../../core/decision.ts';
import { allow } from '../../core/verdict.ts';
import { requestWith } from '../../../test/fixtures/asked.ts';
import { happenings } from './happenings.ts';

const through = {
  verdict: allow({
    id: 'operator:break-glass',
    scheme: 'override',
    credentialId: 'override',
    scopes: [],
    expiresAt: null,
    addresses: null,
  }),
} as Decision;

function watching() {
  const told: { uses: number; from: string }[] = [];
  const record = async ({ detail }: Act, actor: Actor): Promise<void> =>
    void told.push({ uses: Number(detail?.['uses_since_last']), from: actor.from });
  const happened = happenings({ record } as never);
  const breaks = (address: string): void => happened.decided(through, requestWith({ remoteAddress: address }));
  return { told, happened, breaks, uses: () => told.reduce((sum, { uses }) => sum + uses, 0) };
}

test('every use of broken glass is told of, also the last ones', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { told, happened, breaks, uses } = watching();
  for (let use = 0; use < 500; use += 1) breaks('192.0.2.7');
  breaks('192.0.2.8');
  assert.deepEqual(told, [
    { uses: 1, from: '192.0.2.7' },
    { uses: 1, from: '192.0.2.8' },
  ]);
  t.mock.timers.tick(60_000);
  assert.deepEqual(told.slice(2), [{ uses: 499, from: '192.0.2.7' }]);
  breaks('192.0.2.7');
  happened.close();
  assert.equal(uses(), 502);
});

test('whoever breaks glass from everywhere pushes no older event out of the audit', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { told, happened, breaks, uses } = watching();
  for (let use = 0; use < 5000; use += 1) breaks(`2001:db8::${use.toString(16)}`);
  assert.ok(told.length <= 1001, `${told.length} events`);
  happened.close();
  assert.equal(uses(), 5000);
});
