/** Somebody who proved who they are. */
export interface LoggedIn {
  readonly operator: string;
  /** What the login stands on and falls with: the epoch of the account; for the admin token its digest, sealed. */
  readonly standing: string;
  /** The provider that vouches for them, for the audit. */
  readonly issuer?: string;
}

/** The operator who logged in, or what to say instead. */
export type LoginAnswer = LoggedIn | { readonly words: string; readonly status: number };
