export type KeyErrorCode =
  | 'invalid_service'
  | 'invalid_key'
  | 'invalid_option'
  | 'duplicate_key'
  | 'revoked_key'
  | 'unknown_key'
  /** A name that means several keys. */
  | 'ambiguous_key'
  /** A rotation is under way. */
  | 'rotation_pending'
  /** What the last rotation replaced is still accepted. */
  | 'rotation_unfinished'
  /** Somebody uses the key that was to be ended or made anew. */
  | 'key_in_use'
  /** The key could not be put where its caller reads it. */
  | 'not_delivered'
  /** A source that must be heard from has been silent for too long. */
  | 'keys_unavailable';

/** An order about a key that cannot be carried out. The message is for people and never holds a secret. */
export class KeyError extends Error {
  readonly code: KeyErrorCode;
  constructor(code: KeyErrorCode, message: string) {
    super(message);
    this.name = 'KeyError';
    this.code = code;
  }
}
