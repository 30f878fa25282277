import { printable } from '../core/text/printable.ts';

export type SecretsErrorCode =
  /** Not in the form of a SOPS file, or in one that is not read here. */
  | 'bundle_invalid'
  /** No identity at hand opens it. */
  | 'wrong_key'
  /** A value, the order or the MAC is not what was written. */
  | 'bundle_changed'
  | 'bundle_locked'
  | 'no_such_secret'
  | 'invalid_secret'
  | 'key_file'
  | 'no_memory_folder';

const lengthMax = 2000;

/** What cannot be done with a bundle. The message is one plain line, of bounded length, and never holds a secret. */
export class SecretsError extends Error {
  readonly code: SecretsErrorCode;
  constructor(code: SecretsErrorCode, message: string) {
    // Names and recipients in it come from a file.
    super(printable(message.length > lengthMax ? `${message.slice(0, lengthMax)}…` : message));
    this.name = 'SecretsError';
    this.code = code;
  }
}

export function codeOfFault(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? 'unknown error';
}
