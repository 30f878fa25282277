import { compactVerify, decodeProtectedHeader, type JWK, type JWTPayload } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Stack } from '../../compose/stack.ts';
import { grantOf, TAKEN_BACK, takeBack, takenBackId } from '../../keys/tokens/issued-tokens.ts';
import { keyFinder } from '../../schemes/oauth/index.ts';
import { mayIntrospect } from './provider.ts';
import type { SigningKeys } from './signing-keys.ts';

export interface AccessTokensOptions {
  readonly stack: Stack;
  readonly keys: SigningKeys;
  readonly accessTokenSeconds: number;
}

/**
 * Access tokens are JWTs and kept nowhere, so the library leaves them out of revocation (RFC 7009) and introspection
 * (RFC 7662), saying so once the client has proven itself. That is where this goes on.
 */
export function answerForAccessTokens(options: AccessTokensOptions) {
  const { stack, accessTokenSeconds } = options;
  const takingBack = { records: stack.store.records, clock: stack.clock, accessTokenSeconds };
  const find = keyFinder({ keys: options.keys.jwks.map(publicHalf) });
  return async (ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void> => {
    await next();
    const body: unknown = ctx.body;
    const isLeftOut =
      typeof body === 'object' && body !== null && 'error' in body && body.error === 'unsupported_token_type';
    if (!isLeftOut) return;
    const { route, client, params } = ctx.oidc;
    const claims = await claimsOf(String(params?.['token'] ?? ''));
    if (route === 'revocation') {
      // A token that is not ours, or not the client's, is revoked enough (RFC 7009 §2.2); it is not touched.
      if (claims && claims['client_id'] === client?.clientId) await takeBack({ tokenId: claims.jti ?? '' }, takingBack);
      ctx.status = 200;
      ctx.body = '';
    } else if (route === 'introspection') {
      const mayAsk = client !== undefined && mayIntrospect(client, claims?.['client_id']);
      ctx.status = 200;
      ctx.body = claims && mayAsk && (await isLive(options, claims)) ? described(claims) : { active: false };
    }
  };

  async function claimsOf(token: string): Promise<JWTPayload | null> {
    try {
      const key = await find(decodeProtectedHeader(token));
      if (key === null) return null;
      const { payload, protectedHeader } = await compactVerify(token, key);
      return protectedHeader.typ === 'at+jwt'
        ? (JSON.parse(Buffer.from(payload).toString('utf8')) as JWTPayload)
        : null;
    } catch {
      return null;
    }
  }
}

/** Asked of the store, not of memory: who introspects wants to know what is true now. */
async function isLive(
  { stack }: AccessTokensOptions,
  { jti = '', exp = 0, iat = 0, ...rest }: JWTPayload,
): Promise<boolean> {
  const now = stack.clock();
  if (exp <= now) return false;
  const grantId = grantOf(jti);
  const ids = [takenBackId({ tokenId: jti }), takenBackId({ clientId: String(rest['client_id']) })];
  if (grantId !== null) ids.push(takenBackId({ grantId }));
  const found = await Promise.all(ids.map((id) => stack.store.records.get(TAKEN_BACK, id, now)));
  return found.every((record) => record === null || (record.value as { readonly at: number }).at < iat);
}

function described({ iss, sub, aud, exp, iat, jti, scope, client_id: clientId, cnf }: JWTPayload): object {
  const type = cnf === undefined ? 'Bearer' : 'DPoP';
  return { active: true, iss, sub, aud, exp, iat, jti, scope, client_id: clientId, cnf, token_type: type };
}

function publicHalf({ d: _private, ...rest }: JWK): JWK {
  return rest;
}
