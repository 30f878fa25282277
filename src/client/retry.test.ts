import assert from 'node:assert/strict';
import { test } from 'node:test';
import { correctedClock } from './corrected-clock.ts';
import { backOff, mayRetryError, pauseAfter, retryAfterMillis } from './retry.ts';

test('Retry-After is seconds or a date, and nothing else', () => {
  const now = Date.parse('2026-11-21T12:00:00Z') / 1000;
  assert.equal(retryAfterMillis('120', now), 120_000);
  assert.equal(retryAfterMillis('Sat, 21 Nov 2026 12:00:05 GMT', now), 5000);
  assert.equal(retryAfterMillis('Sat, 21 Nov 2026 11:00:00 GMT', now), 0);
  for (const none of [null, '', 'soon', '-1', '1.5', '2026-11-21', 'Nov 21 2026', 'Sat, 21 Nov 2026 12:00:05'])
    assert.equal(retryAfterMillis(none, now), null, String(none));
});

test('pauses grow, have a bound, and spread', () => {
  for (let retry = 0; retry < 40; retry += 1) {
    const pause = backOff(retry);
    assert.ok(pause >= 0 && pause <= Math.min(5000, 200 * 2 ** retry));
  }
  assert.ok(new Set(Array.from({ length: 20 }, () => backOff(5))).size > 10);
});

test('only what is safe to send again is', () => {
  const failed = (code: string) => new TypeError('fetch failed', { cause: Object.assign(new Error('no'), { code }) });
  const several = new TypeError('fetch failed', {
    cause: new AggregateError([Object.assign(new Error('no'), { code: 'ECONNREFUSED' })]),
  });
  assert.ok(mayRetryError(failed('ECONNREFUSED'), 'POST'));
  assert.ok(mayRetryError(several, 'POST'));
  const unreachable = (syscall: string) =>
    new TypeError('fetch failed', { cause: Object.assign(new Error('no'), { code: 'EHOSTUNREACH', syscall }) });
  assert.ok(mayRetryError(unreachable('connect'), 'POST'));
  assert.ok(mayRetryError(unreachable('read'), 'GET'));
  assert.ok(!mayRetryError(unreachable('read'), 'POST'), 'it may have been carried out');
  assert.ok(mayRetryError(failed('ECONNRESET'), 'PUT'));
  assert.ok(!mayRetryError(failed('ECONNRESET'), 'PATCH'));
  assert.ok(!mayRetryError(failed('CERT_HAS_EXPIRED'), 'GET'));
  assert.ok(!mayRetryError(new TypeError('Invalid URL'), 'GET'));
  assert.ok(!mayRetryError('a string', 'GET'));
  const answer = (status: number, retryAfter?: string) =>
    new Response(null, { status, headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter } });
  assert.notEqual(pauseAfter(answer(503, '1'), 'GET', 0, 0), null);
  assert.equal(pauseAfter(answer(503, '11'), 'GET', 0, 0), null);
  assert.equal(pauseAfter(answer(503), 'POST', 0, 0), null);
  assert.equal(pauseAfter(answer(429), 'GET', 0, 0), null);
  assert.equal(pauseAfter(answer(500), 'GET', 0, 0), null);
});

test('a clock is corrected by what can be believed, and back again', () => {
  const theirs = (seconds: number) => new Date(seconds * 1000).toUTCString();
  const clock = correctedClock(() => 1_000_000, 3600);
  for (const date of [null, '', 'yesterday', theirs(1_000_001), theirs(1_003_601), theirs(0)]) {
    clock.correct(date);
    assert.equal(clock.now(), 1_000_000, String(date));
  }
  clock.correct(theirs(1_000_400));
  assert.deepEqual([clock.now(), clock.offset], [1_000_400, 400]);
  clock.correct(theirs(999_600));
  assert.equal(clock.offset, -400);
  clock.correct(theirs(1_000_000));
  assert.equal(clock.offset, 0);
});
