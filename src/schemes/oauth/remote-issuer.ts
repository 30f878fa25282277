import type { Clock } from '../../core/clock.ts';
import type { TokenIssuer } from './issuer.ts';
import { keyFinder, type KeyFinder } from './key-set.ts';

export interface RemoteIssuerOptions {
  readonly issuer: string;
  /** Where its keys are; null: as its metadata says (RFC 8414). */
  readonly jwksUri: string | null;
  /** Resolves to the JSON at a URL, bounded in size and time and without following redirects. */
  readonly fetchJson: (url: string) => Promise<unknown>;
  readonly clock: Clock;
}

/** Keys are asked for anew after this time. */
const freshSeconds = 600;
/** While they cannot be had, the last ones count for so long: a provider's outage is not ours at once. */
const staleSecondsMax = 86_400;
/** Tokens with made-up key ids must not make us ask the provider each time. */
const unknownKeySeconds = 30;
const backoffSecondsMax = 300;

/** Thrown when an issuer's keys cannot be had: the request is undecidable, not refused. */
export class IssuerUnavailable extends Error {
  readonly code = 'issuer_unavailable';
}

/** An authorization server elsewhere: its keys are fetched, kept and refreshed. */
export function remoteIssuer({ issuer, jwksUri, fetchJson, clock }: RemoteIssuerOptions): TokenIssuer {
  let find: KeyFinder | null = null;
  let known = '';
  let generation = 0;
  let fetchedAt = -Infinity;
  let askedAt = -Infinity;
  let failures = 0;
  let pending: Promise<void> | null = null;

  function mayAsk(now: number): boolean {
    return failures === 0 || since(askedAt, now) >= Math.min(backoffSecondsMax, 2 ** failures);
  }

  /** One question at a time, whoever waits for it. */
  function refresh(): Promise<void> {
    pending ??= ask().finally(() => (pending = null));
    return pending;
  }

  async function ask(): Promise<void> {
    askedAt = clock();
    try {
      const keys = await fetchJson(jwksUri ?? (await metadataOf(issuer, fetchJson)));
      const next = keyFinder(keys);
      const text = JSON.stringify(keys);
      if (text !== known) generation += 1;
      known = text;
      find = next;
      fetchedAt = clock();
      failures = 0;
    } catch (error) {
      failures += 1;
      throw new IssuerUnavailable(`the keys of ${issuer} cannot be had`, { cause: error });
    }
  }

  async function current(): Promise<KeyFinder> {
    const now = clock();
    if (find !== null && since(fetchedAt, now) <= staleSecondsMax) {
      // Nobody waits for what is only to be looked at again.
      if (since(fetchedAt, now) > freshSeconds && mayAsk(now)) refresh().catch(() => undefined);
      return find;
    }
    if (!mayAsk(now)) throw new IssuerUnavailable(`the keys of ${issuer} could not be had a moment ago`);
    await refresh();
    if (find === null) throw new IssuerUnavailable(`the keys of ${issuer} cannot be had`);
    return find;
  }

  return {
    issuer,
    get generation() {
      return generation;
    },
    async key(header) {
      const found = await (await current())(header);
      const now = clock();
      if (found !== null || since(askedAt, now) < unknownKeySeconds || !mayAsk(now)) return found;
      // A key that was added since.
      await refresh().catch(() => undefined);
      return (await current())(header);
    },
    isRevoked: () => false,
  };
}

/** A clock that was set back tells nothing of how long it is ago: then it counts as long. */
function since(then: number, now: number): number {
  return now < then ? Infinity : now - then;
}

/** RFC 8414 §3.1, then the form of OpenID Connect. What says that it is another issuer is not believed (§3.3). */
async function metadataOf(issuer: string, fetchJson: RemoteIssuerOptions['fetchJson']): Promise<string> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  let last: unknown = null;
  for (const place of places) {
    try {
      const metadata = await fetchJson(place);
      if (typeof metadata !== 'object' || metadata === null) throw new TypeError(`${place} is no JSON object`);
      const { issuer: said, jwks_uri: uri } = metadata as Record<string, unknown>;
      if (said !== issuer) throw new TypeError(`${place} is the metadata of another issuer`);
      if (typeof uri !== 'string' || !URL.canParse(uri)) throw new TypeError(`${place} has no jwks_uri`);
      return uri;
    } catch (error) {
      last = error;
    }
  }
  throw last;
}
