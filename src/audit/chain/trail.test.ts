import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Act, Actor, EventStore } from '../../core/event.ts';
import { StoreError } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { recordAct } from './link.ts';
import { contentOf, verifyChain } from './verify-chain.ts';
import { trail } from './trail.ts';

const self: Actor = { id: 'server:here', via: 'server', from: 'here' };
const admin: Actor = { id: 'operator:admin', via: 'http', from: '192.0.2.7' };

function trailOn(events: EventStore) {
  const warned: string[] = [];
  const taken = trail({
    events,
    clock: () => 1_800_000_000,
    self,
    warn: (text) => warned.push(text),
  });
  return { taken, warned };
}

test('a clock that is set back makes nothing look earlier than what it came behind', async () => {
  const { events } = memoryStore();
  const act = { type: 'mode.set', subject: 'embeddings' } as const;
  for (const now of [1_800_000_000, 1_799_990_000, 1_800_000_001])
    await recordAct({ events, clock: () => now }, act, admin);
  const contents = await contentsOf(events);
  const times = contents.map((content) => content?.time);
  assert.deepEqual(times, ['2027-01-15T08:00:00.000Z', '2027-01-15T08:00:00.000Z', '2027-01-15T08:00:01.000Z']);
  const clocks = contents.map((content) => content?.clock);
  assert.deepEqual(clocks, [undefined, '2027-01-15T05:13:20.000Z', undefined], 'what its own clock said is told');
  const rows = await events.list('events', { limit: 10 });
  assert.equal((await verifyChain({ rows, chain: 'events', expected: [] })).fault, null);
});

async function contentsOf(events: EventStore) {
  return (await events.list('events', { limit: 2000 })).map(({ text }) => contentOf(text));
}

test('takes down who did what to what, from where and why, in one chain with everybody else', async (t) => {
  const { events } = memoryStore();
  const trails = [trailOn(events), trailOn(events), trailOn(events)];
  t.after(() => Promise.all(trails.map(({ taken }) => taken.close())));
  const act: Act = { type: 'mode.set', subject: 'embeddings', detail: { mode: 'off' }, reason: 'maintenance' };
  await trails[0]?.taken.record(act, admin);
  await Promise.all(
    trails.flatMap(({ taken }) =>
      Array.from({ length: 20 }, (_, number) => taken.record({ type: 'key.created', subject: `k${number}` })),
    ),
  );
  const contents = await contentsOf(events);
  assert.equal(contents.length, 61);
  const { previous: _, ...first } = contents[0] ?? { previous: '' };
  assert.deepEqual(first, {
    sequence: 1,
    time: '2027-01-15T08:00:00.000Z',
    type: 'mode.set',
    actor: 'operator:admin',
    via: 'http',
    from: '192.0.2.7',
    subject: 'embeddings',
    reason: 'maintenance',
    detail: { mode: 'off' },
  });
  const stand = await verifyChain({
    rows: await events.list('events', { limit: 100 }),
    chain: 'events',
    expected: [],
  });
  assert.deepEqual([stand.fault, stand.count], [null, 61]);
});

test('shows no key that somebody wrote into a reason, and no character that a terminal would obey', async () => {
  const { events } = memoryStore();
  const { taken } = trailOn(events);
  const reason = `leaked cs_sk_0123456789_${'a'.repeat(49)}\u202e\u009b31m`;
  await taken.record({ type: 'key.revoked', subject: 'k', reason }, admin);
  await taken.close();
  const [row] = await events.list('events', { limit: 1 });
  assert.doesNotMatch(row?.text ?? '', /aaaa|\u202e|\u009b/);
  assert.match(contentOf(row?.text ?? '')?.reason ?? '', /^leaked cs_sk_0123456789_…/);
});

test('keeps an event whatever characters its actor has, and finds it unchanged', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'trail-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const store = sqliteStore({ file: join(folder, 'store.db') });
  t.after(() => store.close());
  await store.migrate();
  const { taken } = trailOn(store.events);
  // The last one is cut within a character.
  const names = ['half \ud83d', 'nul \0', `${'a'.repeat(510)}\u{1f511}`.repeat(2)];
  for (const id of names) await taken.record({ type: 'mode.set', subject: 's' }, { ...admin, id });
  await taken.close();
  const rows = await store.events.list('events', { limit: 10 });
  assert.deepEqual(
    rows.map(({ actor }) => actor),
    ['half \ufffd', 'nul \ufffd', `${'a'.repeat(510)}\ufffd…`],
  );
  const stand = await verifyChain({ rows, chain: 'events', expected: [] });
  assert.deepEqual([stand.fault, stand.count], [null, 3]);
});

test('keeps what happens while the store is away, in its order, and writes nothing twice when an answer was lost', async () => {
  const { events } = memoryStore();
  let fault: 'none' | 'before' | 'after' = 'none';
  const failing: EventStore = {
    ...events,
    async append(row, previous) {
      if (fault === 'before') throw new StoreError('store_unavailable', 'away');
      const added = await events.append(row, previous);
      if (fault === 'after') throw new StoreError('store_unavailable', 'the answer was lost');
      return added;
    },
  };
  const { taken, warned } = trailOn(failing);
  fault = 'after';
  await taken.record({ type: 'key.created', subject: 'first' });
  fault = 'before';
  await taken.record({ type: 'key.created', subject: 'second' });
  assert.equal(warned.length, 1);
  fault = 'none';
  await taken.close();
  assert.deepEqual(
    (await contentsOf(events)).map((content) => content?.subject),
    ['first', 'second'],
  );
  assert.equal(taken.lost, 0);
});

test('an event that the store can never hold is left out and told of, and holds up none behind it', async () => {
  const { events } = memoryStore();
  const latin: EventStore = {
    ...events,
    async append(row, previous) {
      if (/\u0141/.test(row.text)) throw new StoreError('store_unavailable', 'no such letter', { unstorable: true });
      return events.append(row, previous);
    },
  };
  const { taken, warned } = trailOn(latin);
  await taken.record({ type: 'key.created', subject: 'first' });
  await taken.record({ type: 'key.created', subject: 'second', reason: 'for \u0141ukasz' });
  await taken.record({ type: 'key.created', subject: 'third' });
  await taken.close();
  const contents = await contentsOf(events);
  assert.deepEqual(
    contents.map((content) => [content?.type, content?.subject]),
    [
      ['key.created', 'first'],
      ['audit.events_lost', ''],
      ['key.created', 'third'],
    ],
  );
  assert.deepEqual(contents[1]?.detail, { count: 1 });
  assert.equal(taken.lost, 1);
  assert.match(warned.join('\n'), /^an audit event is left out, .*"second".*: no such letter/);
});

test('writes nothing twice when an answer was lost and others have gone on meanwhile', async () => {
  const { events } = memoryStore();
  const other = trailOn(events).taken;
  let loses = true;
  const failing: EventStore = {
    ...events,
    async append(row, previous) {
      const added = await events.append(row, previous);
      if (!loses) return added;
      loses = false;
      await other.record({ type: 'key.created', subject: 'theirs' });
      throw new StoreError('store_unavailable', 'the answer was lost');
    },
  };
  const { taken } = trailOn(failing);
  await taken.record({ type: 'key.created', subject: 'ours' });
  await taken.close();
  assert.deepEqual(
    (await contentsOf(events)).map((content) => content?.subject),
    ['ours', 'theirs'],
  );
});

test('says how many events were lost when the store stays away', async () => {
  const { events } = memoryStore();
  const away = () => Promise.reject(new StoreError('store_unavailable', 'away'));
  const { taken, warned } = trailOn({ ...events, head: away });
  for (let number = 0; number < 1003; number += 1) await taken.record({ type: 'key.created', subject: `${number}` });
  assert.equal(taken.lost, 3);
  await taken.close();
  assert.equal(taken.lost, 1003);
  assert.match(warned.at(-1) ?? '', /^1000 audit events could not be written/);
});
