/** What the pages compute, apart from the browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkTo, placeOf } from './address.ts';
import { readEvents, type StreamEvent } from './event-stream.ts';
import { ago, callerName, callerOf, count, duration, percent } from './format.ts';
import { attention } from './pages/attention.ts';
import { inForce, levelInForce, serviceInForce } from './in-force.ts';
import { graphLayout } from './pages/graph-layout.ts';
import type { Ramp, RampShare, Report, Service } from './shapes.ts';
import { ratedOf, type Call } from './traffic.ts';

test('an address leads back to the page, subject and filters that it was made of', () => {
  for (const subject of ['service:aidb', 'a/b?c#d', 'ü %', ''])
    assert.equal(placeOf(linkTo('callers', subject, { since: '24h', find: 'a&b=c', none: '' })).subject, subject);
  const place = placeOf(linkTo('keys', null, { find: 'a&b=c', none: '' }));
  assert.deepEqual([place.page, place.subject, [...place.query]], ['keys', null, [['find', 'a&b=c']]]);
  assert.equal(placeOf('').page, 'overview');
  assert.equal(placeOf('#/callers/%E0%A4%A').subject, '%E0%A4%A');
});

test('a success rate below one never reads as 100 %', () => {
  assert.equal(percent(0.99999), '99.9 %');
  assert.equal(percent(2 / 3), '66.6 %', 'rounded down, as in the report');
  assert.equal(percent(1), '100 %');
  assert.equal(percent(0), '0 %');
  assert.equal(percent(null), '–');
});

test('a decision names who was proven, else who was claimed with a question mark, else nobody', () => {
  assert.equal(callerOf({ principal: 'service:aidb', claimed: 'service:other' }), 'service:aidb');
  assert.equal(callerOf({ principal: '', claimed: 'service:other' }), 'service:other?');
  assert.equal(callerName(callerOf({ principal: '' })), '(unnamed)');
});

test('times and numbers are said as people say them', () => {
  assert.deepEqual([2, 90, 120, 7200].map(duration), ['2 s', '90 s', '2 min', '2 h']);
  const now = Date.parse('2026-11-25T12:00:00Z');
  assert.equal(ago('2026-11-25T11:57:00Z', now), '3 min ago');
  assert.equal(ago('2026-11-29T12:00:00Z', now), 'in 4 days');
  assert.equal(ago(null, now), 'never');
  assert.equal(count(12_345), '12,345');
  assert.equal(count(5_000_000), '5M');
});

test('server-sent events are the same in whatever pieces they come', async () => {
  const text = ': here\n\nevent: decisions\ndata: {"allow":1}\n\n: idle\n\n';
  const read = async (pieces: readonly string[]): Promise<StreamEvent[]> => {
    const events: StreamEvent[] = [];
    const bytes = new ReadableStream<Uint8Array>({
      start(stream) {
        for (const piece of pieces) stream.enqueue(new TextEncoder().encode(piece));
        stream.close();
      },
    });
    await readEvents(bytes, (event) => events.push(event));
    return events;
  };
  const whole = await read([text]);
  assert.deepEqual(
    whole.map(({ event, data }) => [event, data]),
    [
      ['comment', ''],
      ['decisions', '{"allow":1}'],
      ['comment', ''],
    ],
  );
  assert.deepEqual(await read([...text]), whole);
  assert.deepEqual(await read([text, 'event: decisions\ndata: {"al']), whole, 'half an event is none');
  assert.deepEqual(await read([text]), whole, 'and does not stand before the next stream');
});

test('a stream whose event cannot be taken is ended, and not left open', async () => {
  const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
  const endless = new ReadableStream<Uint8Array>({
    pull: (stream) => stream.enqueue(new TextEncoder().encode('event: decisions\ndata: {\n\n')),
    cancel: () => cancel(),
  });
  await assert.rejects(
    readEvents(endless, ({ data }) => void JSON.parse(data)),
    SyntaxError,
  );
  await cancelled;
});

const call = (caller: string, service: string, allow: number): Call => ({
  caller,
  service,
  ...ratedOf({ allow, deny: 0, would_deny: 0, public: 0 }),
});

test('the graph draws each call once, keeps its nodes apart and crosses no more than it must', () => {
  const calls = [call('a', 'z', 5), call('b', 'y', 4), call('c', 'x', 3)];
  const { callers, services, edges } = graphLayout(calls);
  assert.equal(edges.length, 3);
  for (const nodes of [callers, services]) assert.equal(new Set(nodes.map(({ y }) => y)).size, nodes.length);
  for (const { fromY, toY } of edges) assert.equal(fromY, toY, 'lines between pairs are straight');
});

test('of very many callers the busiest are drawn, and the rest is counted', () => {
  const calls = Array.from({ length: 100 }, (_, index) => call(`caller-${index}`, 'web', index + 1));
  const { callers, hidden } = graphLayout(calls);
  assert.equal(hidden, 60);
  assert.ok(callers.every(({ requests }) => requests > 60));
});

test('what is broken needs attention before what would break', () => {
  const now = Date.parse('2026-11-25T12:00:00Z');
  const key = (id: string, expires_at: string) => ({ id, service: 'aidb', expires_at });
  const report = {
    key_expiry: [key('soon', '2026-11-27T12:00:00Z'), key('over', '2026-11-24T12:00:00Z')],
    verdict: { mend: [{ caller: 'service:old', requests: 3, reason: 'expired' }] },
    clock_skew: [{ caller: 'service:late', max_s: -400 }],
    unreadable_counts: 2,
    recorded_ahead: { requests: 5, max_s: 900 },
  } as unknown as Report;
  const ramp = { name: 'all', status: 'stopped', step: 2, findings: ['a known caller was refused'] } as unknown as Ramp;
  const things = attention(report, { status: null, ramp }, now);
  assert.deepEqual(
    things.map(({ kind }) => kind),
    ['ramp', 'key', 'key', 'caller', 'clock', 'clock', 'store'],
  );
  assert.match(things[1]?.words ?? '', /^Key over of aidb ended 24 h ago$/);
  const words = (more: Partial<Ramp>) => attention(report, { status: null, ramp: { ...ramp, ...more } }, now)[0]?.words;
  assert.equal(words({ status: 'withdrawn' }), 'Ramp all was rolled back: it enforces nothing');
  const byHand = { status: 'withdrawn', findings: ['rolled back by hand: not yet'] } as const;
  for (const calm of [byHand, { status: 'running' }, { status: 'finished' }] as const)
    assert.match(words(calm) ?? '', /^Key over/, 'whoever did it knows');
});

test('where a ramp enforces what the mode reports, that is what is in force', () => {
  const half = { percent: 50 };
  const whole = { percent: 100 };
  assert.deepEqual(inForce('report', whole), { mode: 'enforce', byRamp: 'by the ramp' });
  assert.deepEqual(inForce('off', null), { mode: 'off', byRamp: null });
  const rule = (access: string, mode: string, ramp: RampShare | null) => ({ access, mode, ramp });
  const words = (ramp: RampShare | null, ...routes: object[]) => {
    const found = serviceInForce({ mode: 'report', ramp, routes } as unknown as Service);
    return `${found.mode} ${found.byRamp ?? ''}`;
  };
  assert.equal(words(whole, rule('any', 'report', whole), rule('public', 'report', null)), 'enforce by the ramp');
  assert.equal(words(half), 'report enforced by the ramp for 50 % of the callers');
  assert.equal(words(null, rule('any', 'report', half)), 'report 1 of 2 routes enforced by the ramp');
  assert.equal(words(whole, rule('any', 'enforce', null)), 'enforce by the ramp');
  assert.equal(words(half, rule('any', 'enforce', null)), 'report 1 of 2 routes enforced by the ramp');
  assert.equal(words(null, rule('any', 'enforce', null)), 'report ');
  const ramped = [
    { service: 'ocr', path: '/read', ...half },
    { service: 'ocr', path: '*', ...whole },
  ];
  const level = (scope: string) => levelInForce(scope, 'report', ramped).byRamp;
  assert.equal(level(''), '2 of its routes enforced by the ramp');
  assert.equal(level('ocr/read'), 'enforced by the ramp for 50 % of the callers');
  assert.equal(level('aidb'), null);
});
