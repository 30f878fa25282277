import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { watchdog, type Watchdog } from './watchdog.ts';

/** A watchdog whose shells end at once, and what it said until `count` of them had. */
async function failing(t: TestContext, shell: string, count: number): Promise<string[]> {
  const told: string[] = [];
  const enough = Promise.withResolvers<void>();
  const onWarning = (text: string): void => {
    if (told.push(text) === count) enough.resolve();
  };
  const dog = watchdog({ onWarning, shell, waitMillis: 2 });
  t.after(() => dog.close());
  dog.watch(process.pid);
  // What is started meanwhile does not bring the next shell any sooner.
  for (let pid = 1; pid < 50; pid += 1) dog.watch(pid);
  // Its own timers keep no process alive, this test's included.
  const alive = setInterval(() => undefined, 1000);
  await enough.promise;
  clearInterval(alive);
  return told.map((text) => /started in (\S+) s$/.exec(text)?.[1] ?? text);
}

for (const [what, shell] of [
  ['that ends at once', '/bin/false'],
  ['that cannot be started', '/no/such/shell'],
] as const)
  test(`a shell ${what} is started ever more seldom`, async (t) => {
    assert.deepEqual(await failing(t, shell, 6), ['0.002', '0.004', '0.008', '0.016', '0.032', '0.064']);
  });

test('a shell that was ended is followed by one that knows all groups', async (t) => {
  const child = spawn('/bin/sleep', ['600'], { detached: true, stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const over = once(child, 'exit');
  const told = Promise.withResolvers<void>();
  const dog: Watchdog = watchdog({ onWarning: () => told.resolve(), shell: '/bin/sh', waitMillis: 1 });
  const before = shells();
  dog.watch(child.pid as number);
  const [first] = shells(before);
  process.kill(Number(first), 'SIGKILL');
  await told.promise;
  while (shells(before).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  // Let go while it watches, it ends the group.
  dog.close();
  assert.deepEqual(await over, [null, 'SIGTERM']);
});

/** Ids of the processes that this one has started, without those. */
function shells(without: readonly string[] = []): string[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8');
  return children
    .trim()
    .split(' ')
    .filter((pid) => !without.includes(pid));
}
