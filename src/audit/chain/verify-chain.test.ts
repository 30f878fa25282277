/** Every way to tamper with one event, at every kind of place, in what is exported; the database is in verify-store.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { chainStart, type ChainHead, type EventRow } from '../../core/event.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { linkBehind } from './link.ts';
import { verifyChain, type ChainFault } from './verify-chain.ts';

const count = 10_000;
const rows = made(count);
const last = rows.at(-1) as EventRow;
const end = { sequence: last.sequence, hash: last.hash };
const place = fc.integer({ min: 1, max: count });
const inside = fc.integer({ min: 2, max: count - 1 });
const runs = { numRuns: 6, examples: [[1], [2], [count - 1], [count]] as [number][] };
const runsInside = { numRuns: 6, examples: [[2], [count - 1]] as [number][] };

function made(length: number): EventRow[] {
  const links: EventRow[] = [];
  let head: ChainHead | null = null;
  for (let number = 1; number <= length; number += 1) {
    const act = { type: 'key.created', subject: `key-${number}`, detail: { service: 'aidb' } } as const;
    const link = linkBehind('events', head, act, { id: 'cli:root', via: 'cli', from: 'here' }, 1_800_000_000 + number);
    links.push(link);
    head = link;
  }
  return links;
}

async function faultIn(changed: readonly EventRow[], expected: typeof end | null = end): Promise<ChainFault | null> {
  const later = new Map<number, number>();
  for (const { sequence } of changed) later.set(sequence, (later.get(sequence) ?? 0) + 1);
  const stand = await verifyChain({
    rows: changed,
    chain: 'events',
    expected: expected ? [expected] : [],
    comesLater: (sequence) => later.has(sequence),
  });
  return stand.fault;
}

function at(fault: ChainFault | null) {
  return fault && { kind: fault.kind, from: fault.from, to: fault.to };
}

const one = (kind: string, sequence: number) => ({ kind, from: sequence, to: sequence });

function forged(row: EventRow): EventRow {
  const text = row.text.replace('aidb', 'evil');
  return { ...row, text, hash: sha256Hex(text) };
}

test('a chain that nobody touched is whole, with the noted end and with an earlier one', async () => {
  assert.equal(await faultIn(rows), null);
  const earlier = rows[499] as EventRow;
  assert.equal(await faultIn(rows, { sequence: 500, hash: earlier.hash }), null);
  assert.equal(rows[0]?.text.includes(chainStart), true);
});

test('a changed event is found and located, wherever it stands', async () => {
  const property = fc.asyncProperty(place, async (number) => {
    const row = rows[number - 1] as EventRow;
    const changed = { ...row, text: row.text.replace('aidb', 'evil') };
    assert.deepEqual(at(await faultIn(rows.with(number - 1, changed), null)), one('changed', number));
    const columns = { ...row, actor: 'cli:nobody' };
    assert.deepEqual(at(await faultIn(rows.with(number - 1, columns), null)), one('changed', number));
  });
  await fc.assert(property, runs);
});

test('a changed event whose hash was made to fit is found by the one behind it, and the last by the noted end', async () => {
  const property = fc.asyncProperty(place, async (number) => {
    const fault = await faultIn(rows.with(number - 1, forged(rows[number - 1] as EventRow)));
    if (number < count) assert.deepEqual(at(fault), one('changed', number));
    else assert.deepEqual([fault?.kind, fault?.to], ['rewritten', count]);
  });
  await fc.assert(property, runs);
});

test('a deleted event is found and located, the first and the last too', async () => {
  const property = fc.asyncProperty(place, async (number) => {
    const kind = number === count ? 'truncated' : 'missing';
    assert.deepEqual(at(await faultIn(rows.toSpliced(number - 1, 1))), one(kind, number));
  });
  await fc.assert(property, runs);
});

test('two events that changed places are found where the first of them belongs', async () => {
  const property = fc.asyncProperty(inside, async (number) => {
    const [here, next] = [rows[number - 1] as EventRow, rows[number] as EventRow];
    assert.deepEqual(at(await faultIn(rows.toSpliced(number - 1, 2, next, here))), one('reordered', number));
    // Each under the other's number, as two rows of a table would be.
    const swapped = rows.toSpliced(number - 1, 2, { ...next, sequence: number }, { ...here, sequence: number + 1 });
    assert.deepEqual(at(await faultIn(swapped)), one('reordered', number));
  });
  await fc.assert(property, runsInside);
  const [first, second] = rows as [EventRow, EventRow];
  assert.equal((await faultIn([second, first, ...rows.slice(2)]))?.kind, 'reordered');
});

test('an inserted event is found and located: a copy, and one that was chained in', async () => {
  const property = fc.asyncProperty(inside, async (number) => {
    const row = rows[number - 1] as EventRow;
    assert.deepEqual(at(await faultIn(rows.toSpliced(number, 0, row))), one('inserted', number));
    const before = rows[number - 2] as EventRow;
    const act = { type: 'key.created', subject: 'mine' } as const;
    const mine = linkBehind('events', before, act, { id: 'cli:root', via: 'cli', from: 'here' }, row.time);
    const moved = rows.slice(number - 1).map((link) => ({ ...link, sequence: link.sequence + 1 }));
    assert.deepEqual(at(await faultIn([...rows.slice(0, number - 1), mine, ...moved])), one('inserted', number));
  });
  await fc.assert(property, runsInside);
});

test('an end that was cut off is found by the noted end, down to nothing', async () => {
  const property = fc.asyncProperty(place, async (number) => {
    const fault = await faultIn(rows.slice(0, number - 1));
    assert.deepEqual(at(fault), { kind: 'truncated', from: number, to: count });
  });
  await fc.assert(property, runs);
});

test('a chain that was written anew from some point on is found by the noted end alone', async () => {
  const links = made(20).slice(0, 10);
  for (let head = links.at(-1) as EventRow; head.sequence < 20; head = links.at(-1) as EventRow)
    links.push(
      linkBehind('events', head, { type: 'key.created', subject: 'other' }, { id: 'x', via: 'cli', from: '' }, 1),
    );
  const noted = made(20).at(-1) as EventRow;
  assert.equal(await faultIn(links, null), null);
  assert.equal((await faultIn(links, { sequence: 20, hash: noted.hash }))?.kind, 'rewritten');
});

test('a beginning that was removed needs the checkpoint that tells of it', async () => {
  const links = made(10);
  const [removed, head] = [links[4] as EventRow, links[9] as EventRow];
  const rest = links.slice(5);
  assert.deepEqual(at(await faultIn(rest, null)), { kind: 'missing', from: 1, to: 5 });
  const told = (hash: string) =>
    linkBehind(
      'events',
      head,
      { type: 'audit.checkpoint', subject: '', detail: { removed_through: 5, removed_hash: hash } },
      { id: 'server:here', via: 'server', from: 'here' },
      1_800_000_100,
    );
  assert.equal(await faultIn([...rest, told(removed.hash)], null), null);
  assert.equal((await faultIn([...rest, told(head.hash)], null))?.kind, 'missing');
  const gone = { sequence: 5, hash: removed.hash };
  assert.equal((await faultIn([...rest, told(removed.hash)], gone))?.kind, 'out_of_reach');
});

test('a link with a number that no server gives is found, whatever its text and its time say', async () => {
  const links = made(5);
  for (const number of [-(2 ** 53), -1, 0, 0.5, 2.5, 2 ** 53, 1e300, Infinity, Number.NaN]) {
    const act = { type: 'mode.set', subject: 'mine' } as const;
    const head = { sequence: number - 1, time: 9_999_999_999, hash: chainStart };
    const mine = linkBehind('events', head, act, { id: 'cli:root', via: 'cli', from: 'here' }, 1);
    const rest = links.filter(({ sequence }) => sequence > number);
    const fault = await faultIn(
      [...links.slice(0, links.length - rest.length), { ...mine, sequence: number }, ...rest],
      null,
    );
    assert.deepEqual(at(fault), one('inserted', number));
  }
});
