import assert from 'node:assert/strict';
import { test } from 'node:test';
import { correctedClock } from './corrected-clock.ts';

/** What a verifier says at a moment of its own clock. */
const dateAt = (seconds: number) => new Date(seconds * 1000).toUTCString();

test('a clock that is off by the very bound is set right, whichever way', () => {
  for (const skew of [3600, -3600]) {
    const theirs = 1_800_000_000.7;
    const clock = correctedClock(() => theirs + skew, 3600);
    clock.correct(dateAt(theirs));
    assert.ok(Math.abs(clock.now() - theirs) <= 1, String(skew));
  }
});

test('what is off by more is not believed, and what is no date says nothing', () => {
  for (const date of [dateAt(1_800_003_610), dateAt(1_799_996_390), 'soon', null]) {
    const clock = correctedClock(() => 1_800_000_000, 3600);
    clock.correct(date);
    assert.equal(clock.offset, 0);
  }
});
