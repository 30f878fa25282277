import { publicWords } from '../../core/refusal.ts';
import { REASONS, type Denied } from '../../core/verdict.ts';

/** The codes that `requireBearerAuth` has an own status for: 401, 403 and 500. */
export type OAuthCode = 'invalid_token' | 'insufficient_scope' | 'server_error';

/** Classes of the SDK's first major version; its module '@modelcontextprotocol/sdk/server/auth/errors.js' has them. */
export interface ErrorClasses {
  readonly InvalidTokenError: new (message: string) => Error;
  readonly InsufficientScopeError: new (message: string) => Error;
  readonly ServerError: new (message: string) => Error;
}

/**
 * An error that `requireBearerAuth` of the SDK's second major version takes for its own OAuthError. That class, so that two
 * installed copies understand each other, recognises its instances by a brand under a registered symbol and not by their
 * prototype, from its first stable release on; so the brand is what it takes, and no import of the SDK.
 */
class BrandedOAuthError extends Error {
  readonly code: OAuthCode;

  constructor(code: OAuthCode, message: string) {
    super(message);
    this.name = 'OAuthError';
    this.code = code;
    Object.defineProperty(this, Symbol.for('mcp.sdk.errorBrands'), { value: new Set(['mcp.OAuthError']) });
  }

  toResponseObject(): { error: OAuthCode; error_description: string } {
    return { error: this.code, error_description: this.message };
  }
}

/**
 * The first major version asks `instanceof`, and its ESM and CommonJS builds alone are two copies of each class: only the
 * caller knows which one its `requireBearerAuth` compares with, so it hands them in.
 */
export function oauthError(denied: Denied, classes: ErrorClasses | undefined): Error {
  const code = codeOf(denied);
  const words = publicWords(denied);
  if (!classes) return new BrandedOAuthError(code, words);
  if (code === 'invalid_token') return new classes.InvalidTokenError(words);
  return code === 'insufficient_scope' ? new classes.InsufficientScopeError(words) : new classes.ServerError(words);
}

/**
 * By status, since the SDK turns every code but three into 400, and a 400 sends clients looking for the protocol of 2024.
 * What would be 429 or 503 elsewhere is 500 here: never 401, so that no caller throws a good credential away.
 */
function codeOf(denied: Denied): OAuthCode {
  const { status } = REASONS[denied.reason];
  if (status === 401) return 'invalid_token';
  return status === 403 ? 'insufficient_scope' : 'server_error';
}
