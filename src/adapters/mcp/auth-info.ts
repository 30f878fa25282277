import type { Principal } from '../../core/verdict.ts';

/**
 * What a handler of the MCP SDK finds in `extra.authInfo` (v1) or `ctx.http.authInfo` (v2). Both major versions' own type takes
 * it; nothing of theirs is imported.
 */
export interface AuthInfo {
  /**
   * The token that was verified, or, where the request was judged as a whole, the credential's public id: a signature is no
   * token. It is left out when this object is printed or turned into JSON, since examples everywhere log it.
   */
  readonly token: string;
  /** The principal's id, the same for every credential of one service: 'service:agent', 'token:<uuid>'. */
  readonly clientId: string;
  /** What the credential was given. */
  readonly scopes: string[];
  /** Epoch seconds. For a credential without an end: an hour from now, see lifeSeconds. */
  readonly expiresAt: number;
  /** RFC 8707 identifier of this server, when one was given. */
  readonly resource?: URL;
  readonly extra: { readonly principal: Principal };
}

/**
 * The SDK refuses a token without an end, but an API key may have none. It gets this one, counted anew from every request, so
 * it is never reached; what a revocation must end is ended by the verdict and by closing streams, not by this.
 */
const lifeSeconds = 3600;

/** What a principal does not know of the request that it made. */
export interface AuthInfoOptions {
  /** Epoch seconds. */
  readonly now: number;
  /** The principal's credentialId unless given. */
  readonly token?: string;
  /** RFC 8707 identifier of this server. */
  readonly resource?: URL;
  /** False where nothing is refused, in report: principalSessions then refuses nothing either. Default: true. */
  readonly enforced?: boolean;
}

/** A registered symbol, since two copies of a package may be installed. */
const unenforced = Symbol.for('countersign.unenforced');

/** A principal as handlers of the SDK know who called. */
export function authInfoOf(principal: Principal, { now, token, resource, enforced = true }: AuthInfoOptions): AuthInfo {
  const shown = {
    clientId: principal.id,
    scopes: [...principal.scopes],
    expiresAt: principal.expiresAt ?? now + lifeSeconds,
    ...(resource && { resource }),
    extra: { principal },
  };
  const info: AuthInfo = { token: token ?? principal.credentialId, ...shown };
  return Object.defineProperties(info, {
    toJSON: { value: () => shown },
    [Symbol.for('nodejs.util.inspect.custom')]: { value: () => shown },
    ...(!enforced && { [unenforced]: { value: true } }),
  });
}

/** Whether it was made where nothing is refused. */
export function isUnenforced(authInfo: AnyAuthInfo): boolean {
  return (authInfo as { [unenforced]?: boolean })[unenforced] === true;
}

/** The SDKs' own type, the same in both major versions. */
export interface SdkAuthInfo {
  token: string;
  clientId: string;
  scopes: string[];
  expiresAt?: number;
  resource?: URL;
  extra?: Record<string, unknown>;
}

/** As much of it as is read here, whoever made it. */
export interface AnyAuthInfo {
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** Who was proven, from what the SDK hands to a handler; null where nobody was, or another verifier made it. */
export function principalOf(authInfo: AnyAuthInfo | undefined): Principal | null {
  const found = authInfo?.extra?.['principal'];
  return isPrincipal(found) ? found : null;
}

/** By shape and not by identity, since two copies of a package may be installed. */
function isPrincipal(value: unknown): value is Principal {
  if (typeof value !== 'object' || value === null) return false;
  const { id, scheme, credentialId, scopes } = value as Partial<Record<keyof Principal, unknown>>;
  return [id, scheme, credentialId].every((text) => typeof text === 'string') && Array.isArray(scopes);
}
