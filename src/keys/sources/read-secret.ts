import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statfsSync } from 'node:fs';
import { shellWord } from '../../core/text/shell-word.ts';

const bytesMax = 64 * 1024;
const tmpfs = 0x01021994;
const ramfs = 0x858458f6;

/** A secret file's text without the newline that ends it, or why it is not to be used. */
export type SecretReading =
  | { readonly ok: true; readonly text: string; readonly warning: string | null }
  | { readonly ok: false; readonly missing: boolean; readonly fault: string };

/** Faults of the machine at this moment, not of the file: they say nothing about whether its key is still meant to count. */
const momentary = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'EINTR', 'ESTALE', 'ETIMEDOUT']);

export function isMomentary(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && momentary.has(String(error.code));
}

/**
 * Judges what was opened, not what the name pointed to a moment before. Synchronous: the files are small and few, and a
 * half-read set of keys is a state that nobody has to think about. Symbolic links are followed.
 * Throws when the machine cannot read just now (no file descriptor is free, say): see isMomentary.
 */
export function readSecretFile(path: string): SecretReading {
  let file: number;
  try {
    // Non-blocking: opening a named pipe would otherwise wait for its writer for ever.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isMomentary(error)) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return { ok: false, missing: code === 'ENOENT', fault: `${named(path)}: cannot be opened (${code})` };
  }
  try {
    return judge(path, file);
  } catch (error) {
    if (isMomentary(error)) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return { ok: false, missing: false, fault: `${path}: cannot be read (${code})` };
  } finally {
    closeSync(file);
  }
}

/** Whoever writes the secret itself where its file should be named must not find it in a log: a path as long begins with / or a dot. */
function named(path: string): string {
  const maybeSecret = path.length >= 20 && !/^[./]/.test(path);
  return maybeSecret ? 'what should be the path of a file' : path;
}

function judge(path: string, file: number): SecretReading {
  const stat = fstatSync(file);
  if (!stat.isFile()) return refuse(`${path}: is not a regular file`);
  const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
  const open = (stat.mode & 0o066) !== 0;
  const complaint = `${path}: group or others can read or write it (mode ${mode})`;
  if (open && !exempt(path)) return refuse(`${complaint}, so it is not used; run: chmod 600 ${shellWord(path)}`);
  if (stat.size > bytesMax) return refuse(`${path}: is larger than ${bytesMax} bytes`);

  // One byte more than it should have: a file that is being written is not half a key.
  const buffer = Buffer.alloc(stat.size + 1);
  let length = 0;
  for (let got = 1; got > 0 && length < buffer.length; length += got) {
    got = readSync(file, buffer, length, buffer.length - length, null);
  }
  if (length !== stat.size) return refuse(`${path}: changed while it was read`);
  const text = withoutNewline(buffer.toString('utf8', 0, length));
  buffer.fill(0);
  if (text === '') return refuse(`${path}: is empty, so no key is taken from it`);
  return {
    ok: true,
    text,
    warning: open ? `${complaint}; where you can, run: chmod 600 ${shellWord(path)}` : foreign(path, stat.uid),
  };
}

/** Exactly one newline, LF or CRLF: what an editor or echo adds is not part of a secret. */
function withoutNewline(text: string): string {
  if (text.endsWith('\r\n')) return text.slice(0, -2);
  return text.endsWith('\n') ? text.slice(0, -1) : text;
}

/** Others can open only what is their own or open to them; root opens anything, and so would take anybody's word for a key. */
function foreign(path: string, owner: number): string | null {
  if (process.geteuid?.() !== 0 || owner === 0) return null;
  return `${path}: belongs to user ${owner}, who can change it; unless that is meant, run: chown root ${shellWord(path)}`;
}

/** Docker and Kubernetes mount secrets readable by all, in memory or below /run/secrets; there the mode is a warning only. */
function exempt(path: string): boolean {
  const type = statfsSync(path).type;
  return (
    type === tmpfs ||
    type === ramfs ||
    path.startsWith('/run/secrets/') ||
    realpathSync(path).startsWith('/run/secrets/')
  );
}

function refuse(fault: string): SecretReading {
  return { ok: false, missing: false, fault };
}
