import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { withLock } from './bundle-lock.ts';

const onLinux = { skip: process.platform === 'linux' ? false : 'only Linux tells which process it is' };
const module = new URL('bundle-lock.ts', import.meta.url).href;

function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lock-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'secrets.sops.yaml');
  const lock = join(folder, '.secrets.sops.yaml.lock');
  return { folder, path, lock };
}

/** What a process leaves behind that was killed with the lock in its hand. */
async function killedHolder(t: TestContext, { path, lock }: ReturnType<typeof place>): Promise<string> {
  const work = `(await import('${module}')).withLock('${path}', () => { console.log('held'); return new Promise((r) => setTimeout(r, 60_000)); })`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', work], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await assert.rejects(
    withLock(path, async () => undefined),
    new RegExp(`process ${child.pid} is changing .*; try again, or if it runs nowhere, remove ${lock}`),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(lstatSync(lock).isSymbolicLink());
  return readlinkSync(lock);
}

test('a lock whose holder was killed holds off nobody', onLinux, async (t) => {
  const here = place(t);
  await killedHolder(t, here);
  assert.equal(await withLock(here.path, async () => existsSync(here.folder)), true);
  assert.deepEqual(readdirSync(here.folder), []);
});

test('of many that find the same dead holder one at a time goes on', onLinux, async (t) => {
  const here = place(t);
  await killedHolder(t, here);
  let inside = 0;
  const work = async () => {
    inside += 1;
    assert.equal(inside, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    inside -= 1;
  };
  const ends = await Promise.allSettled(Array.from({ length: 20 }, () => withLock(here.path, work)));
  assert.equal(ends.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.deepEqual(readdirSync(here.folder), []);
});

test(
  'another process under the number of the dead one, and a start of the machine since, are seen through',
  onLinux,
  async (t) => {
    const here = place(t);
    const [, start, machine, boot, space, nonce] = (await killedHolder(t, here)).split(':');
    const left = [
      [process.pid, `${start}9`, machine, boot, space, nonce],
      ...(machine ? [[process.pid, start, machine, '00000000-0000-4000-8000-000000000000', space, nonce]] : []),
    ];
    for (const holder of left) {
      rmSync(here.lock, { force: true });
      symlinkSync(holder.join(':'), here.lock);
      await withLock(here.path, async () => undefined);
      assert.deepEqual(readdirSync(here.folder), []);
    }
  },
);

test(
  'of a holder elsewhere nothing is known: its lock stays, and which file it is stands there',
  onLinux,
  async (t) => {
    const here = place(t);
    const [pid, start, machine, boot, space, nonce] = (await killedHolder(t, here)).split(':');
    const elsewhere = [
      [pid, start, 'another', '00000000-0000-4000-8000-000000000000', space, nonce],
      [pid, start, '', '00000000-0000-4000-8000-000000000000', space, nonce],
      [pid, start, machine, boot, '1', nonce],
      ['-1', start, machine, boot, space, nonce],
      ['nonsense'],
    ];
    for (const holder of elsewhere) {
      rmSync(here.lock, { force: true });
      symlinkSync(holder.join(':'), here.lock);
      await assert.rejects(
        withLock(here.path, async () => undefined),
        /is changing .*; try again, or .* remove /,
      );
      assert.ok(lstatSync(here.lock).isSymbolicLink());
    }
    rmSync(here.lock);
    writeFileSync(here.lock, '1\n');
    await assert.rejects(
      withLock(here.path, async () => undefined),
      /another command is changing .*; try again, or .* remove /,
    );
  },
);
