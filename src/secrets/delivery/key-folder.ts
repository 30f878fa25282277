import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileTarget } from '../../keys/targets/index.ts';
import { codeOfFault, SecretsError } from '../secrets-error.ts';
import { shellWord } from '../../core/text/shell-word.ts';

export type Delivered = 'created' | 'changed' | 'unchanged';

/** Key files on this machine, each replaced whole; what a file held before its newest change is kept as the way back. */
export interface KeyFolder {
  fileOf(service: string): string;
  /** Rejects with a KeyError ('not_delivered') or a SecretsError; the file is what it was then. `look`: changes nothing. */
  deliver(service: string, key: string, look: boolean): Promise<Delivered>;
  /** The key that is in the file; null for none. */
  held(service: string): Promise<string | null>;
  /** The key that `restore` would bring back; null when there is no way back. */
  former(service: string): Promise<string | null>;
  /** Puts back, byte for byte, what the file held before its newest change; the way back is gone then. */
  restore(service: string): void;
}

export interface KeyFolderOptions {
  /** Absolute. It is made when it is missing. */
  readonly path: string;
  /** The name of a service's file. */
  readonly nameOf: (service: string) => string;
  readonly form: 'key' | 'env';
}

/** Not a name that whoever reads keys from the folder looks for. */
const formerFolder = '.former';

export function keyFolder({ path, nameOf, form }: KeyFolderOptions): KeyFolder {
  const fileOf = (service: string): string => join(path, nameOf(service));
  const formerOf = (service: string): string => join(path, formerFolder, nameOf(service));
  return {
    fileOf,
    async deliver(service, key, look) {
      if (existsSync(path)) refuseUnsafe(path);
      const file = fileOf(service);
      const target = fileTarget({ path: file, form });
      const held = await target.held();
      if (held === key) return 'unchanged';
      target.check(key);
      const there = existsSync(file);
      if (!look) {
        attempt(path, () => mkdirSync(path, { recursive: true, mode: 0o755 }));
        // A change that cannot be made must not cost the way back from the one before.
        await target.ready('hs');
        if (there) attempt(path, () => keep(file, formerOf(service)));
        await target.put(key, { service });
      }
      return there ? 'changed' : 'created';
    },
    held: (service) => fileTarget({ path: fileOf(service), form }).held(),
    async former(service) {
      return existsSync(formerOf(service)) ? fileTarget({ path: formerOf(service), form }).held() : null;
    },
    restore(service) {
      refuseUnsafe(path);
      const file = fileOf(service);
      attempt(path, () => renameSync(formerOf(service), existsSync(file) ? realpathSync(file) : file));
    },
  };
}

/** Whoever can write there could put a link in a file's place, and have somewhere else written or read. */
function refuseUnsafe(path: string): void {
  const { mode, uid } = statSync(path);
  const ours = uid === 0 || uid === process.geteuid?.();
  if ((mode & 0o022) === 0 && ours) return;
  const fault = ours
    ? `group or others can write in it (mode ${(mode & 0o7777).toString(8)})`
    : `it belongs to user ${uid}`;
  throw new SecretsError(
    'key_file',
    `no keys are written to ${path}: ${fault}; run: chown root ${shellWord(path)}; chmod go-w ${shellWord(path)}`,
  );
}

/** A copy that belongs to whom the file belongs, so that it can take its place again. */
function keep(file: string, former: string): void {
  mkdirSync(dirname(former), { recursive: true, mode: 0o700 });
  const { uid, gid } = statSync(file);
  const draft = join(dirname(former), `.${basename(former)}.new`);
  // What a killed run left behind.
  rmSync(draft, { force: true });
  writeFileSync(draft, readFileSync(file), { mode: 0o600, flag: 'wx', flush: true });
  if (process.geteuid?.() === 0) chownSync(draft, uid, gid);
  renameSync(draft, former);
}

function attempt(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new SecretsError('key_file', `${path} cannot be written (${codeOfFault(error)})`);
  }
}
