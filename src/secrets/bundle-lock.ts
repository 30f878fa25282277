import { readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { randomBase62 } from '../crypto/random.ts';
import { codeOfFault, SecretsError } from './secrets-error.ts';

/** Holds off every other writer of the bundle from reading until the end of the work, so that no change is lost. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = join(dirname(path), `.${basename(path)}.lock`);
  take(path, lock);
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * The lock is a symbolic link whose target says who holds it: made in one step, it is never there without that. A holder that was
 * killed is known to be gone on the machine on which it ran, and its lock is taken away.
 */
function take(path: string, lock: string): void {
  if (taken(lock, thisProcess())) return;
  const holder = targetOf(lock);
  if (holder !== null && isGone(holder)) {
    takeAway(path, lock, holder);
    if (taken(lock, thisProcess())) return;
  }
  throw lockedBy(path, holder, [lock]);
}

/** False when somebody has it. */
function taken(name: string, holder: string): boolean {
  try {
    symlinkSync(holder, name);
    return true;
  } catch (error) {
    if (codeOfFault(error) === 'EEXIST') return false;
    throw new SecretsError('bundle_locked', `${name}: cannot be made (${codeOfFault(error)})`);
  }
}

/**
 * Only whoever holds a second lock, named for this very holder, may take the first one away, and looks at it once more: of two
 * that find the same dead holder, the slower one would take away the lock of the faster.
 */
function takeAway(path: string, lock: string, holder: string): void {
  const right = `${lock}.${fieldsOf(holder).nonce}`;
  if (!taken(right, thisProcess())) throw lockedBy(path, targetOf(right), [lock, right]);
  try {
    if (targetOf(lock) === holder) rmSync(lock);
  } finally {
    rmSync(right, { force: true });
  }
}

function lockedBy(path: string, holder: string | null, names: readonly string[]): SecretsError {
  const who = holder === null ? 'another command' : `process ${fieldsOf(holder).pid}`;
  return new SecretsError(
    'bundle_locked',
    `${who} is changing ${path}; try again, or if it runs nowhere, remove ${names.join(' and ')}`,
  );
}

/** Null when it is gone, or is no link. */
function targetOf(lock: string): string | null {
  try {
    return readlinkSync(lock);
  } catch {
    return null;
  }
}

function thisProcess(): string {
  const { machine, boot, space } = thisPlace();
  return [process.pid, startOf(process.pid), machine, boot, space, randomBase62(8)].join(':');
}

function fieldsOf(holder: string) {
  const [pid = '', start = '', machine = '', boot = '', space = '', nonce = ''] = holder
    .split(':')
    .map((field) => field.replaceAll(/[^0-9A-Za-z-]/g, ''));
  return { pid, start, machine, boot, space, nonce };
}

/** Whether the holder certainly runs no more; of one on another machine, or in another container, nothing is known. */
function isGone(holder: string): boolean {
  const { pid, start, machine, boot, space } = fieldsOf(holder);
  const here = thisPlace();
  if (boot === '' || here.boot === '') return false;
  if (boot !== here.boot) return machine !== '' && machine === here.machine;
  if (space !== here.space || !/^[1-9]\d*$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (codeOfFault(error) === 'ESRCH') return true;
  }
  // The number may have been given to another process since.
  const startNow = startOf(Number(pid));
  return start !== '' && startNow !== '' && startNow !== start;
}

/** Where process numbers mean something: this start of this machine, and in it this container. Empty where the system does not tell. */
function thisPlace() {
  return {
    machine: read('/etc/machine-id'),
    boot: read('/proc/sys/kernel/random/boot_id'),
    space: (targetOf('/proc/self/ns/pid') ?? '').replaceAll(/\D/g, ''),
  };
}

/** When a process began, in ticks since the machine did: the 22nd field, counted behind the name, which may hold spaces (proc(5)). */
function startOf(pid: number): string {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
