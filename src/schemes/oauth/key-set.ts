import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet, type JWSHeaderParameters } from 'jose';

/** Symmetric algorithms and `none` are not among them: whoever can verify could sign, and nobody would have to. */
export const ALGORITHMS: readonly string[] = ['RS256', 'PS256', 'ES256', 'EdDSA'];

const keysMax = 100;

/** Finds keys in one set (RFC 7517 §5) by kind of algorithm, `kid`, `use` and `alg`. */
export type KeyFinder = (header: JWSHeaderParameters) => Promise<CryptoKey | null>;

/** Throws a TypeError on what is no key set. */
export function keyFinder(value: unknown): KeyFinder {
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : null;
  if (!Array.isArray(keys) || keys.length > keysMax) throw new TypeError(`no key set of at most ${keysMax} keys`);
  const find = createLocalJWKSet({ keys } as JSONWebKeySet);
  return async (header) => {
    if (!ALGORITHMS.includes(header.alg ?? '')) return null;
    try {
      return await find({ ...header, alg: header.alg ?? '' });
    } catch (error) {
      // Several that fit, a broken one: no key that could be believed.
      if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) return null;
      throw error;
    }
  };
}
