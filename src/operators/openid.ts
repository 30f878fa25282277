import {
  allowInsecureRequests,
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
} from 'openid-client';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/message-of.ts';
import { randomSecret } from '../crypto/random.ts';
import { confirmedSeconds } from './sessions.ts';

/** One login on its way: what the answer is held against. Kept from everybody but the browser that began it. */
export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636. */
  readonly verifier: string;
  readonly redirectUri: string;
  /** The person is to prove themselves anew, whoever the provider still knows. */
  readonly fresh: boolean;
}

export type Claims = Readonly<Record<string, unknown>>;

/** An OpenID provider at which operators log in. */
export interface OpenidProvider {
  /** Rejects with an OpenidError. */
  begin(redirectUri: string, fresh: boolean): Promise<{ readonly url: string; readonly attempt: Attempt }>;
  /** The claims of an ID token that holds in every respect. `query` as it came. Rejects with an OpenidError. */
  finish(query: string, attempt: Attempt): Promise<Claims>;
}

/** 'openid_refused': the provider said no; 'openid_wrong': what came does not hold; 'openid_unavailable': nothing came. */
export class OpenidError extends Error {
  readonly code: 'openid_refused' | 'openid_wrong' | 'openid_unavailable';
  constructor(code: OpenidError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'OpenidError';
    this.code = code;
  }
}

export interface OpenidProviderOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** Read anew for each login; null for a client without one. Throws where it cannot be read. */
  readonly clientSecret: () => string | null;
  /** Besides openid. */
  readonly scopes: readonly string[];
  /** Bounded, over https or on this machine, without following redirects. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
}

/** Metadata is asked for anew after this time; where that fails the last counts on. */
const freshSeconds = 3600;

export function openidProvider(options: OpenidProviderOptions): OpenidProvider {
  const { issuer, clientId, clientSecret, scopes, clock } = options;
  const { protocol, origin } = new URL(issuer);
  let known: { readonly configuration: Configuration; readonly secret: string | null; readonly at: number } | null =
    null;

  /** Of a provider elsewhere nothing leads to this machine; what is reached in the clear is the provider itself. */
  async function fetched(url: string, init: RequestInit): Promise<Response> {
    const target = new URL(url);
    if (target.protocol !== 'https:' && target.origin !== origin)
      throw new TypeError(`${url} is neither encrypted nor of ${origin}`);
    try {
      return await options.fetch(url, init);
    } catch (error) {
      throw new OpenidError('openid_unavailable', `${url} does not answer`, { cause: error });
    }
  }

  /** With the keys that it has seen: those the library keeps and renews. */
  async function configured(): Promise<Configuration> {
    const now = clock();
    const secret = clientSecret();
    if (known?.secret === secret && now - known.at < freshSeconds) return known.configuration;
    try {
      const configuration = await discovered(secret);
      known = { configuration, secret, at: now };
    } catch (error) {
      if (known?.secret !== secret) throw openidError(issuer, error, 'openid_unavailable');
      known = { ...known, at: now };
    }
    return known.configuration;
  }

  async function discovered(secret: string | null): Promise<Configuration> {
    const found = await discovery(new URL(issuer), clientId, undefined, None(), {
      [customFetch]: fetched as never,
      ...(protocol === 'http:' && { execute: [allowInsecureRequests] }),
    });
    const { supportsPKCE: _helper, ...server } = found.serverMetadata();
    if (server.issuer !== issuer) throw new TypeError(`the metadata is of ${server.issuer}`);
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const proof = methods.includes('client_secret_basic') ? ClientSecretBasic : ClientSecretPost;
    const made = new Configuration(server, clientId, undefined, secret === null ? None() : proof(secret));
    made[customFetch] = fetched as never;
    if (protocol === 'http:') allowInsecureRequests(made);
    // The signature counts although the token comes straight from the provider: that connection may end at somebody's proxy.
    enableNonRepudiationChecks(made);
    return made;
  }

  return {
    async begin(redirectUri, fresh) {
      const [state = '', nonce = '', verifier = ''] = [32, 32, 32].map((bytes) =>
        randomSecret(bytes).toString('base64url'),
      );
      const url = buildAuthorizationUrl(await configured(), {
        redirect_uri: redirectUri,
        scope: ['openid', ...scopes].join(' '),
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(fresh && { max_age: '0' }),
      });
      return { url: url.href, attempt: { state, nonce, verifier, redirectUri, fresh } };
    },
    async finish(query, { state, nonce, verifier, redirectUri, fresh }) {
      const configuration = await configured();
      try {
        const tokens = await authorizationCodeGrant(configuration, new URL(`${redirectUri}?${query}`), {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
          ...(fresh && { maxAge: confirmedSeconds }),
        });
        return tokens.claims() ?? {};
      } catch (error) {
        throw openidError(issuer, error, 'openid_wrong');
      }
    },
  };
}

function openidError(issuer: string, error: unknown, code: OpenidError['code']): OpenidError {
  // The library wraps what its fetch throws.
  const { cause } = error instanceof Error ? error : {};
  if (cause instanceof OpenidError) return cause;
  if (error instanceof AuthorizationResponseError)
    return new OpenidError('openid_refused', `${issuer} answers ${error.error}`, { cause: error });
  const said = messageOf(error);
  return new OpenidError(code, `the answer of ${issuer} does not hold: ${said}`, { cause: error });
}
