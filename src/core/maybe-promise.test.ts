import assert from 'node:assert/strict';
import { test } from 'node:test';
import { andThen, firstAnswer, isPromise, type MaybePromise } from './maybe-promise.ts';

type Ask = () => MaybePromise<string | null>;

const now =
  (answer: string | null): Ask =>
  () =>
    answer;
const later =
  (answer: string | null): Ask =>
  async () =>
    answer;

test('what is known already is answered at once', () => {
  assert.equal(
    andThen(2, (value) => value + 1),
    3,
  );
  assert.equal(
    firstAnswer([now(null), now('a'), later('b')], (ask) => ask()),
    'a',
  );
});

test('what comes later is waited for, and the order stays', async () => {
  const pending = firstAnswer([now(null), later(null), now('a'), later('b')], (ask) => ask());
  assert.equal(isPromise(pending), true);
  assert.equal(await pending, 'a');
  assert.equal(await andThen(Promise.resolve(2), (value) => value + 1), 3);
});

test('nobody is asked once there is an answer', async () => {
  const asked: string[] = [];
  const answers = { first: later(null), second: later('an answer'), third: now('too late') };
  const answer = await firstAnswer(Object.entries(answers), ([name, ask]) => {
    asked.push(name);
    return ask();
  });
  assert.equal(answer, 'an answer');
  assert.deepEqual(asked, ['first', 'second']);
});

test('no answer from anyone is null', async () => {
  assert.equal(
    firstAnswer([now(null)], (ask) => ask()),
    null,
  );
  assert.equal(await firstAnswer([later(null), now(null)], (ask) => ask()), null);
});

test('a failure among them rejects and nobody further is asked', async () => {
  const failing: Ask = () => Promise.reject(new Error('away'));
  const never: Ask = () => assert.fail('asked');
  await assert.rejects(async () => firstAnswer([now(null), failing, never], (ask) => ask()), /away/);
});
