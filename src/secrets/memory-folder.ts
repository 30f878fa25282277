import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { codeOfFault, SecretsError } from './secrets-error.ts';

/** A folder of one's own (0700) in memory, for secrets in the clear. */
export interface MemoryFolder {
  readonly path: string;
  remove(): void;
}

const tmpfs = 0x01021994;
const ramfs = 0x858458f6;
const prefix = 'countersign-secrets-';

/** In $XDG_RUNTIME_DIR, else /dev/shm; throws where neither is in memory. Clears up what a killed run left behind. */
export function memoryFolder(env: Readonly<Record<string, string | undefined>>): MemoryFolder {
  const parent = [env['XDG_RUNTIME_DIR'], '/dev/shm'].find((folder) => folder && inMemory(folder));
  if (!parent)
    throw new SecretsError(
      'no_memory_folder',
      'neither $XDG_RUNTIME_DIR nor /dev/shm is a folder in memory, and secrets in the clear are to touch no disk',
    );
  removeLeftOver(parent);
  return removable(mkdtempSync(join(parent, `${prefix}${processSpace()}-${process.pid}-`)));
}

/** The folder with this very path. It is made here, so that nobody else has put anything into it or holds it open. */
export function folderAt(path: string): MemoryFolder {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = codeOfFault(error);
    const why = code === 'EEXIST' ? 'is there already, and it is to be made and removed by this command' : `(${code})`;
    throw new SecretsError('no_memory_folder', `${path} cannot be made: ${why}`);
  }
  return removable(path);
}

export function inMemory(folder: string): boolean {
  try {
    return [tmpfs, ramfs].includes(statfsSync(folder).type);
  } catch {
    return false;
  }
}

function removable(path: string): MemoryFolder {
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Containers may share /dev/shm and not their process ids: only those of our own space tell whether a run has ended. */
function processSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/[^0-9]/g, '');
  } catch {
    return '0';
  }
}

function removeLeftOver(parent: string): void {
  const ours = new RegExp(`^${prefix}${processSpace()}-([0-9]+)-`);
  for (const name of readdirSync(parent)) {
    const pid = Number(ours.exec(name)?.[1] ?? 0);
    if (pid === 0 || pid === process.pid || isRunning(pid)) continue;
    const path = join(parent, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.())
      rmSync(path, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOfFault(error) !== 'ESRCH';
  }
}
