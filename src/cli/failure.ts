import { messageOf } from '../core/message-of.ts';

/** usage: the command was written wrongly. refused: done and found wanting. unreachable: something did not answer. */
export type FailureKind = 'usage' | 'refused' | 'unreachable';

export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3 } as const;

/** Ends a command with plain words and an exit code. The message is shown as it is, so it never holds a secret. */
export class Failure extends Error {
  readonly code: FailureKind;
  /** What to do about it, on a line of its own. */
  readonly hint: string | null;
  constructor(code: FailureKind, message: string, hint: string | null = null) {
    super(message);
    this.name = 'Failure';
    this.code = code;
    this.hint = hint;
  }
}

export function usage(message: string, hint: string | null = null): Failure {
  return new Failure('usage', message, hint);
}

export function refused(message: string, hint: string | null = null): Failure {
  return new Failure('refused', message, hint);
}

export function unreachable(message: string, hint: string | null = null): Failure {
  return new Failure('unreachable', message, hint);
}

const unreachableCodes = new Set([
  'store_unavailable',
  'server_unreachable',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EHOSTUNREACH',
]);

/** Refusals of another room that come from what was typed. */
const usageCodes = new Set(['invalid_service', 'invalid_option']);

export interface Explained {
  readonly exit: number;
  readonly lines: readonly string[];
}

/** Any error as lines for people and an exit code. Only what nobody foresaw shows a stack. */
export function explain(error: unknown): Explained {
  const code = codeOf(error);
  const message = messageOf(error);
  if (error instanceof Failure) {
    return { exit: EXIT[error.code], lines: error.hint === null ? [message] : [message, `  ${error.hint}`] };
  }
  if (code === 'config_invalid') return { exit: EXIT.refused, lines: configLines(error, message) };
  if (code !== null && unreachableCodes.has(code)) return { exit: EXIT.unreachable, lines: [message] };
  if (code !== null && usageCodes.has(code)) return { exit: EXIT.usage, lines: [message] };
  if (code !== null) return { exit: EXIT.refused, lines: systemLines(code, error) ?? [message] };
  const stack = error instanceof Error && error.stack ? error.stack : message;
  return { exit: EXIT.refused, lines: [`unexpected: ${stack}`] };
}

/** Compared by code, since two copies of a package may be installed. fetch hides the reason in `cause`. */
export function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'cause' in error ? codeOf(error.cause) : null;
}

const systemFaults: Readonly<Record<string, readonly [string, string]>> = {
  EACCES: ['this user may not use it so', 'Run it as the user to whom it belongs, or in a folder that is yours.'],
  EPERM: ['this user may not use it so', 'Run it as the user to whom it belongs, or in a folder that is yours.'],
  EROFS: ['it lies on a file system that can only be read', 'Choose another folder.'],
  ENOSPC: ['the disk is full', 'Make room, and run it again.'],
  ENOENT: ['it is not there', 'Is the path right?'],
  ENOTDIR: ['a part of it is no folder', 'Is the path right?'],
  EISDIR: ['it is a folder', 'Name a file.'],
};

/** What the system refused of a file: its own words ("EACCES: permission denied, mkdir …") are a programmer's. */
function systemLines(code: string, error: unknown): string[] | null {
  const [what, hint] = systemFaults[code] ?? [];
  const { path } = error as NodeJS.ErrnoException;
  return what === undefined || hint === undefined || typeof path !== 'string'
    ? null
    : [`${path}: ${what} (${messageOf(error).split(',')[0]})`, `  ${hint}`];
}

function configLines(error: unknown, message: string): string[] {
  if (typeof error === 'object' && error !== null && 'format' in error && typeof error.format === 'function') {
    return String(error.format()).split('\n');
  }
  return [message];
}
