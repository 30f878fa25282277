import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Act } from '../../core/event.ts';
import { watchedLogin } from './failed-logins.ts';

test('whoever goes on guessing pushes no older event out of the audit: it is told of once an hour', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: Act[] = [];
  const wrong = async () => ({ result: 'wrong', passwordWasRight: false }) as const;
  const login = watchedLogin(
    { prove: wrong, first: wrong, hashed: async () => assert.fail() },
    {
      accounts: { get: async () => null } as never,
      trail: { record: async (act: Act) => void told.push(act) } as never,
    },
  );
  const guess = async (): Promise<void> => {
    await login.prove({ name: 'ana', password: 'guess', code: '' }, '192.0.2.7');
    await turn();
  };
  let guesses = 0;
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    await guess();
    guesses += 1;
    t.mock.timers.tick(60_000);
  }
  assert.ok(told.length > 24 && told.length < 40, `${told.length} events in a day`);
  for (let hour = 0; hour < 4; hour += 1) t.mock.timers.tick(3_600_000);
  const before = told.length;
  assert.equal(
    told.reduce((sum, { detail }) => sum + Number(detail?.['attempts']), 0),
    guesses,
  );
  await guess();
  assert.equal(told.length, before + 1, 'after a quiet time the first is told of at once');
  login.close();
});
