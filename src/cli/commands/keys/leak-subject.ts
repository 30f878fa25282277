import type { StackConfig } from '../../../compose/config.ts';
import { lookAtKeySources } from '../../../compose/wiring/key-sources.ts';
import type { Presented } from '../../../compose/reach.ts';
import { lifeFault, type KeyKind, type KeyRecord, type TokenRecord } from '../../../core/credential.ts';
import type { Store } from '../../../core/store.ts';
import type { Principal } from '../../../core/verdict.ts';
import { sha256Hex } from '../../../crypto/digest.ts';
import { ed25519PublicOf } from '../../../crypto/ed25519.ts';
import { idOf, mintedKind, wellFormed } from '../../../crypto/key-format.ts';
import { addressList } from '../../../core/address.ts';
import type { FoundKey } from '../../../keys/sources/index.ts';
import { refused, usage } from '../../failure.ts';

/** What was found somewhere, as far as it is known here. */
export interface Subject {
  /** 'an API key of aidb'. */
  readonly what: string;
  readonly credentialId: string;
  readonly state: 'active' | 'expired' | 'revoked';
  readonly createdAt: number | null;
  readonly expiresAt: number | null;
  /** Null for what opens nothing here. */
  readonly presented: Presented | null;
  /** The one command that ends it; null when it is dead already. */
  readonly endWith: string | null;
}

const KIND: Readonly<Record<KeyKind, string>> = { sk: 'API key', hs: 'HMAC secret', ed25519: 'private key' };
const SCHEMES = {
  sk: ['api-key'],
  hs: ['service-signature', 'http-signature'],
  ed25519: ['http-signature'],
} as const;

export interface Place {
  readonly store: Store;
  readonly config: StackConfig;
  readonly now: number;
}

/** By what may stand on a command line: an id, a public prefix, a token_id, the name of a key file. Anything else may be a secret. */
export async function byPublicName(name: string, place: Place): Promise<Subject> {
  const id = /^(?:cs_(?:sk|hs|st|ad)_)?([0-9A-Za-z]{10})_?$/.exec(name)?.[1];
  if (id !== undefined) {
    const record = await place.store.keys.get(id);
    if (record) return ofRecord(record, place.now);
    throw refused(
      `there is no key with the id "${id}"`,
      name.startsWith('cs_st_')
        ? 'A session token is known by its token_id, or whole on standard input.'
        : 'It may be of another stack. A whole key is looked for by giving it on standard input.',
    );
  }
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)) {
    const token = await place.store.tokens.get(name);
    if (token) return ofToken(token, place.now);
    throw refused(
      'there is no session token with this token_id',
      'It may have expired a while ago and been forgotten.',
    );
  }
  if (/^(?:file|env|redis):[^/\s]{1,255}$/.test(name)) {
    const found = (await lookAtKeySources(place.config)).keys.find(({ credentialId }) => credentialId === name);
    if (found) return ofFound(found, await isRevoked(found.digest, place.store));
    throw refused('no key file and no Redis of the configuration has this one', 'See `countersign status`.');
  }
  // Not repeated: it may be the secret itself.
  throw usage(
    'this is no id, public prefix, token_id or name of a key file',
    'A secret is given on standard input, never as an argument: countersign keys leak < FILE',
  );
}

/** By the secret itself, or a text in which one of ours stands. */
export async function bySecret(text: string, place: Place): Promise<Subject> {
  const secret = secretIn(text);
  const digest = digestOf(secret);
  const record = await place.store.keys.byDigest(digest);
  if (record) return ofRecord(record, place.now);
  const token = await place.store.tokens.byHash(digest);
  if (token) return ofToken(token, place.now);
  const revoked = await isRevoked(digest, place.store);
  const found = (await lookAtKeySources(place.config)).keys.find((key) => key.digest === digest);
  if (found) return ofFound(found, revoked);
  if (revoked) return unknownButRevoked;
  if (mintedKind(secret) === 'ad')
    throw refused(
      'this is an admin token, which is in no store: whoever has it administers the stack it belongs to',
      'Where it is yours, replace AUTH_ADMIN_TOKEN (or its file) and restart: countersign init --admin-token makes another.',
    );
  if (mintedKind(secret) !== null && wellFormed(secret))
    throw refused(
      `no key and no token of this stack is this one; its id is ${idOf(secret)}`,
      'It may be of another stack.',
    );
  throw refused(
    'no key and no token of this stack is this one',
    'To refuse it wherever it turns up: countersign keys revoke < FILE, where FILE holds it alone',
  );
}

const whole = /\bcs_(?:sk|hs|st|ad)_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}\b/g;
/** Logs mask a key, or cut it off, behind what tells whose it is. */
const publicPrefix = /\bcs_(?:sk|hs)_[0-9A-Za-z]{10}(?![0-9A-Za-z])/;

function secretIn(text: string): string {
  if (text.includes('PRIVATE KEY')) return text;
  const all = [...new Set(text.match(whole))];
  const [first] = all;
  if (first && all.length === 1) return first;
  if (all.length > 1) throw refused(`there are ${all.length} keys in what was given`, 'Give one at a time.');
  const [prefix] = text.match(publicPrefix) ?? [];
  if (prefix)
    throw refused(
      'there is no whole key in what was given, but the public part of one',
      `See what it opens: countersign keys leak ${prefix}`,
    );
  if (/[\r\n]/.test(text.trim()))
    throw refused('there is no key of ours in what was given', 'Another one is given alone.');
  return text.trim();
}

function digestOf(secret: string): string {
  if (!secret.includes('PRIVATE KEY')) return sha256Hex(secret);
  try {
    return sha256Hex(ed25519PublicOf(secret));
  } catch (error) {
    throw refused(error instanceof Error ? error.message : 'this private key cannot be read');
  }
}

async function isRevoked(digest: string, store: Store): Promise<boolean> {
  return (await store.keys.revocations()).includes(digest);
}

function ofRecord(record: KeyRecord, now: number): Subject {
  const { id, service, kind, expiresAt, createdAt, allowedIps, scopes } = record;
  const state = lifeFault({ expiresAt, revoked: record.revokedAt !== null }, now) ?? 'active';
  const principal = principalOf(`service:${service}`, id, scopes, allowedIps, expiresAt);
  return {
    what: `the ${KIND[kind]} ${id} (…${record.lastFour}) of ${service}`,
    credentialId: id,
    state,
    createdAt,
    expiresAt,
    presented: { principal, schemes: SCHEMES[kind], acceptedAt: null },
    endWith: state === 'active' ? `countersign keys revoke ${id}` : null,
  };
}

function ofToken(record: TokenRecord, now: number): Subject {
  const { tokenId, expiresAt, createdAt, allowedIps, scopes, createdBy } = record;
  const state = lifeFault({ expiresAt, revoked: record.revokedAt !== null }, now) ?? 'active';
  const principal = principalOf(`token:${tokenId}`, tokenId, scopes, allowedIps, expiresAt);
  return {
    what: `the session token ${tokenId}${createdBy === '' ? '' : `, minted by ${createdBy}`}`,
    credentialId: tokenId,
    state,
    createdAt,
    expiresAt,
    presented: { principal, schemes: ['session-token'], acceptedAt: null },
    endWith: state === 'active' ? `countersign tokens revoke ${tokenId}` : null,
  };
}

function ofFound(found: FoundKey, revoked: boolean): Subject {
  const { credentialId, service } = found;
  const shared = found.kind === 'sk';
  const id = shared ? `holder:${service}` : `service:${service}`;
  return {
    what: shared ? `the shared key of ${service} (${credentialId})` : `the HMAC secret of ${service} (${credentialId})`,
    credentialId,
    state: revoked ? 'revoked' : 'active',
    createdAt: null,
    expiresAt: null,
    presented: {
      principal: principalOf(id, credentialId, [], [], null),
      schemes: shared ? SCHEMES.sk : SCHEMES.hs,
      acceptedAt: shared ? found.acceptedAt : null,
    },
    // By its digest, since the file may stay where it is.
    endWith: revoked ? null : 'countersign keys revoke < FILE, where FILE holds the key alone',
  };
}

const unknownButRevoked: Subject = {
  what: 'a key that is in no record',
  credentialId: '',
  state: 'revoked',
  createdAt: null,
  expiresAt: null,
  presented: null,
  endWith: null,
};

function principalOf(
  id: string,
  credentialId: string,
  scopes: readonly string[],
  allowedIps: readonly string[],
  expiresAt: number | null,
): Principal {
  const addresses = allowedIps.length > 0 ? addressList(allowedIps) : null;
  return { id, scheme: '', credentialId, scopes, expiresAt, addresses };
}
