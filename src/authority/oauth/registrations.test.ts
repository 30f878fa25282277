import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Act } from '../../core/event.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { registrations } from './registrations.ts';

test('clients that register are told one by one, and whoever makes hundreds pushes no older event out of the audit', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: Act[] = [];
  let now = 1_800_000_000;
  const made = registrations({
    trail: { record: async (act: Act) => void told.push(act) } as never,
    store: memoryStore(),
    clock: () => now,
  });
  let count = 0;
  for (let hour = 0; hour < 24; hour += 1) {
    for (let number = 0; number < 500; number += 1) {
      count += 1;
      await made.happened({ clientId: `client-${count}`, clientName: 'x' }, '192.0.2.7');
    }
    now += 3600;
    for (let minute = 0; minute < 60; minute += 1) t.mock.timers.tick(60_000);
  }
  for (let hour = 0; hour < 3; hour += 1) t.mock.timers.tick(3_600_000);
  assert.deepEqual(told[0]?.detail, { name: 'x', redirect_uris: [] });
  assert.equal(told[19]?.subject, 'client-20');
  assert.ok(told.length < 24 * 24, `${told.length} events in a day`);
  assert.equal(
    told.reduce((sum, { detail }) => sum + Number(detail?.['clients'] ?? 1), 0),
    count,
  );
  made.close();
});

test('where nobody can count, each is told', async () => {
  const told: Act[] = [];
  const store = memoryStore();
  await store.close();
  const made = registrations({
    trail: { record: async (act: Act) => void told.push(act) } as never,
    store,
    clock: () => 1,
  });
  for (let number = 0; number < 30; number += 1) await made.happened({ clientId: 'a' }, '192.0.2.7');
  assert.equal(told.length, 30);
  made.close();
});
