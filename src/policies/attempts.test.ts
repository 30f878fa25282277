import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { StoreError, type LimitStore } from '../core/store.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { attemptGate, type AttemptGateOptions } from './attempts.ts';

/** Time stands still until `pass` is called; whoever waits is woken in order of its time. */
function standingTime() {
  let now = 1_000_000;
  const sleepers: { at: number; wake: () => void }[] = [];
  return {
    clock: () => now,
    wait: (seconds: number) => new Promise<void>((wake) => sleepers.push({ at: now + seconds, wake })),
    get sleeping() {
      return sleepers.length;
    },
    async pass(seconds: number) {
      const end = now + seconds;
      for (;;) {
        await setImmediate();
        sleepers.sort((a, b) => a.at - b.at);
        const next = sleepers[0];
        if (!next || next.at > end) break;
        sleepers.shift();
        now = next.at;
        next.wake();
      }
      now = end;
      await setImmediate();
    },
  };
}

function gateWith(options: Partial<AttemptGateOptions> = {}) {
  const time = standingTime();
  const gate = attemptGate({
    limits: memoryStore().limits,
    clock: time.clock,
    wait: time.wait,
    limit: 10,
    windowSeconds: 300,
    secret: 'admin',
    offset: () => 0,
    ...options,
  });
  return { gate, time };
}

async function away(): Promise<never> {
  throw new StoreError('store_unavailable', 'away');
}

const right = () => true;
const wrong = () => false;
const address = '10.0.0.7';

test('the right secret passes at once and is never counted', async () => {
  const { gate } = gateWith();
  for (let time = 0; time < 50; time += 1) assert.deepEqual(await gate.attempt(address, right), { result: 'right' });
  assert.deepEqual(await gate.attempt(address, wrong), { result: 'wrong' });
});

test('ten wrong secrets are answered wrong, the eleventh is limited', async () => {
  const { gate } = gateWith();
  for (let time = 0; time < 10; time += 1) assert.deepEqual(await gate.attempt(address, wrong), { result: 'wrong' });
  assert.deepEqual(await gate.attempt(address, wrong), { result: 'limited', retryAfter: 300 });
});

test('whoever knows the secret passes above the limit, after waiting its turn', async () => {
  const { gate, time } = gateWith();
  for (let count = 0; count < 11; count += 1) await gate.attempt(address, wrong);
  const attempt = gate.attempt(address, right);
  await time.pass(0);
  assert.equal(time.sleeping, 1);
  await time.pass(1);
  assert.deepEqual(await attempt, { result: 'right' });
});

test('above the limit attempts are read one a second, as the lot falls', async () => {
  const { gate, time } = gateWith({ random: () => 0.5 });
  for (let count = 0; count < 10; count += 1) await gate.attempt(address, wrong);
  const read: string[] = [];
  const started = time.clock();
  const attempts = ['a', 'b', 'c', 'd'].map((name) =>
    gate.attempt(address, () => {
      read.push(`${name} at ${time.clock() - started}`);
      return false;
    }),
  );
  await time.pass(10);
  await Promise.all(attempts);
  assert.deepEqual(read, ['a at 0', 'c at 1', 'd at 2', 'b at 3']);
  assert.equal(time.sleeping, 0);
});

test('whoever is not drawn in twenty seconds is turned away unread, and told to come again', async () => {
  const { gate, time } = gateWith();
  for (let count = 0; count < 10; count += 1) await gate.attempt(address, wrong);
  let read = 0;
  const attempts = Array.from({ length: 40 }, () =>
    gate.attempt(address, () => {
      read += 1;
      return false;
    }),
  );
  await time.pass(20);
  const results = await Promise.all(attempts);
  assert.equal(read, 21);
  assert.equal(results.filter((one) => one.result === 'limited' && one.retryAfter === 5).length, 19);
});

test('of more than may wait at once a newcomer takes the place of another', async () => {
  const { gate, time } = gateWith({ random: () => 0 });
  for (let count = 0; count < 11; count += 1) await gate.attempt(address, wrong);
  let turnedAway = 0;
  const guesses = Array.from({ length: 300 }, async () => {
    if ((await gate.attempt(address, wrong)).result === 'limited') turnedAway += 1;
  });
  await time.pass(0);
  assert.equal(turnedAway, 300 - 256);
  const honest = gate.attempt(address, right);
  await time.pass(0);
  assert.equal(turnedAway, 300 - 255);
  await time.pass(30);
  await Promise.all(guesses);
  assert.equal((await honest).result, 'limited', 'these lots never fell on it');
});

test('thirty who guess without pause do not lock out one who knows the secret and comes again as told', async () => {
  let tries = 0;
  let seed = 1;
  // Park and Miller's generator: the same lots in every run.
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const rounds = 20;
  for (let round = 0; round < rounds; round += 1) {
    const { gate, time } = gateWith({ random });
    const flood = { over: false };
    const guessers = Array.from({ length: 30 }, async () => {
      while (!flood.over) await gate.attempt(address, wrong);
    });
    await time.pass(1);
    const honest = (async () => {
      for (;;) {
        tries += 1;
        const answer = await gate.attempt(address, right);
        if (answer.result === 'right') break;
        await time.wait(answer.result === 'limited' ? answer.retryAfter : 1);
      }
      flood.over = true;
    })();
    while (!flood.over) await time.pass(1);
    await time.pass(60);
    await Promise.all([honest, ...guessers]);
  }
  assert.ok(tries <= rounds * 3, `${tries} tries in ${rounds} rounds`);
});

test('a clock that is set back keeps nobody waiting for longer', async () => {
  let back = 0;
  const time = standingTime();
  const { gate } = gateWith({ clock: () => time.clock() - back, wait: time.wait });
  for (let count = 0; count < 11; count += 1) await gate.attempt(address, wrong);
  back = 100;
  const attempt = gate.attempt(address, right);
  await time.pass(1);
  assert.deepEqual(await attempt, { result: 'right' });
});

test('a burst of guesses is not read whole before the first is counted', async () => {
  const { gate, time } = gateWith();
  let read = 0;
  const attempts = Array.from({ length: 1000 }, () =>
    gate.attempt(address, () => {
      read += 1;
      return false;
    }),
  );
  await time.pass(0);
  assert.equal(read, 11, 'as many as the limit, and one whose turn it is');
  await time.pass(60);
  await Promise.all(attempts);
  assert.equal(read, 31, 'and one a second');
});

test('a slow store does not let a burst through', async () => {
  const { limits } = memoryStore();
  const late: LimitStore = {
    take: async (...use) => {
      await setImmediate();
      const state = await limits.take(...use);
      await setImmediate();
      return state;
    },
    peek: async (...look) => {
      const state = await limits.peek(...look);
      await setImmediate();
      await setImmediate();
      return state;
    },
    once: limits.once,
  };
  const { gate, time } = gateWith({ limits: late });
  let read = 0;
  const attempts = [];
  for (let count = 0; count < 200; count += 1) {
    attempts.push(
      gate.attempt(address, () => {
        read += 1;
        return false;
      }),
    );
    if (count % 7 === 0) await setImmediate();
  }
  for (let count = 0; count < 20; count += 1) await setImmediate();
  assert.ok(read <= 16, `${read} guesses were read`);
  await time.pass(60);
  await Promise.all(attempts);
});

test('of processes that share a store one reads an attempt in any second, and none is always the first', async () => {
  const { limits } = memoryStore();
  const time = standingTime();
  let seed = 1;
  const offset = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const common = { limits, clock: time.clock, wait: time.wait, limit: 10, windowSeconds: 300, secret: 'admin', offset };
  const gates = [attemptGate(common), attemptGate(common), attemptGate(common)];
  for (let count = 0; count < 10; count += 1) await gates[0]?.attempt(address, wrong);
  const read = gates.map(() => 0);
  const flood = { over: false };
  const guessers = gates.flatMap((gate, index) =>
    Array.from({ length: 4 }, async () => {
      while (!flood.over)
        await gate.attempt(address, () => {
          read[index] = (read[index] ?? 0) + 1;
          return false;
        });
    }),
  );
  await time.pass(120);
  flood.over = true;
  const sum = read.reduce((one, other) => one + other);
  assert.ok(sum >= 110 && sum <= 122, `${read.join(', ')} in 120 s`);
  for (const one of read) assert.ok(one >= 20, `${read.join(', ')} in 120 s`);
  await time.pass(60);
  await Promise.all(guessers);
});

test('the window ends, and with it the slow lane', async () => {
  const { gate, time } = gateWith();
  for (let count = 0; count < 11; count += 1) await gate.attempt(address, wrong);
  await time.pass(300);
  assert.deepEqual(await gate.attempt(address, wrong), { result: 'wrong' });
  assert.equal(time.sleeping, 0);
});

test('other addresses are not slowed; one IPv6 network is one address', async () => {
  const { gate } = gateWith();
  for (let count = 0; count < 11; count += 1) await gate.attempt(`2001:db8::${count}`, wrong);
  assert.deepEqual(await gate.attempt('2001:db8:0:1::1', wrong), { result: 'wrong' });
  assert.deepEqual(await gate.attempt('10.0.0.8', wrong), { result: 'wrong' });
});

test('what the store counted before a restart still holds', async () => {
  const { limits } = memoryStore();
  const time = standingTime();
  const options = { limits, clock: time.clock, wait: time.wait, limit: 10, windowSeconds: 300, secret: 'admin' };
  const before = attemptGate(options);
  for (let count = 0; count < 10; count += 1) await before.attempt(address, wrong);
  const after = attemptGate(options);
  assert.equal((await after.attempt(address, wrong)).result, 'limited');
});

test('a store that is away neither opens nor shuts the gate', async () => {
  const { gate, time } = gateWith({ limits: { take: away, peek: away, once: away } });
  for (let count = 0; count < 10; count += 1) assert.deepEqual(await gate.attempt(address, wrong), { result: 'wrong' });
  assert.equal((await gate.attempt(address, wrong)).result, 'limited');
  const attempt = gate.attempt(address, right);
  await time.pass(1);
  assert.deepEqual(await attempt, { result: 'right' });
});

test('more addresses than are remembered are still limited, by the store and a shared lane', async () => {
  const { gate, time } = gateWith({ addressesMax: 4 });
  for (let count = 0; count < 10; count += 1) await gate.attempt(address, wrong);
  for (let other = 0; other < 100; other += 1) await gate.attempt(`10.0.1.${other}`, wrong);
  const attempt = gate.attempt(address, wrong);
  await time.pass(10);
  assert.equal((await attempt).result, 'limited');
});
