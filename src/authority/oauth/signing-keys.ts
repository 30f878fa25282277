import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Clock } from '../../core/clock.ts';
import type { JsonValue, RecordStore, StoredRecord } from '../../core/record.ts';
import { randomSecret } from '../../crypto/random.ts';
import type { Seal, SealContext, SealedRecords } from '../../crypto/seal.ts';
import { SIGNING_KEY } from '../../keys/issued-tokens.ts';

export interface SigningKeysOptions {
  readonly records: RecordStore;
  readonly seal: Seal;
  readonly clock: Clock;
}

export interface SigningKeys {
  /** Private keys, the one that signs first; the others only verify. */
  readonly jwks: readonly JWK[];
  /** Authenticates cookies. */
  readonly cookieSecret: string;
  /** When the next key is due, epoch seconds. */
  readonly dueAt: number;
}

const periodSeconds = 30 * 86_400;
const SECRET = 'oauth-secret';

/**
 * One key for each thirty days, made by whichever replica comes first, and kept for one period more: a token signed on the last
 * day is good on the next. The private halves are sealed.
 */
export async function signingKeys({ records, seal, clock }: SigningKeysOptions): Promise<SigningKeys> {
  const now = clock();
  const period = Math.floor(now / periodSeconds);
  const current = `p${period}`;
  let stored = await records.list(SIGNING_KEY, now);
  if (!stored.some(({ id }) => id === current)) {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const words = { kid: current, alg: 'ES256', use: 'sig' };
    const value: JsonValue = {
      public: { ...((await exportJWK(publicKey)) as Record<string, string>), ...words },
      sealed: seal.seal(
        JSON.stringify({ ...(await exportJWK(privateKey)), ...words }),
        contextOf(SIGNING_KEY, current),
      ),
    };
    // Whoever was first: theirs counts.
    await records.put({ kind: SIGNING_KEY, id: current, value, expiresAt: (period + 2) * periodSeconds }, null, now);
    stored = await records.list(SIGNING_KEY, now);
  }
  const ordered = stored.toSorted((one, other) => Number(other.id === current) - Number(one.id === current));
  return {
    jwks: ordered.map((record) => JSON.parse(opened(record, seal)) as JWK),
    cookieSecret: await cookieSecret({ records, seal, clock }),
    dueAt: (period + 1) * periodSeconds,
  };
}

async function cookieSecret({ records, seal, clock }: SigningKeysOptions): Promise<string> {
  const context = contextOf(SECRET, 'cookies');
  const found = await records.get(SECRET, 'cookies', clock());
  if (found) return opened(found, seal);
  const value = { sealed: seal.seal(randomSecret(32).toString('base64url'), context) };
  await records.put({ kind: SECRET, id: 'cookies', value, expiresAt: null }, null, clock());
  return cookieSecret({ records, seal, clock });
}

function opened({ kind, id, value }: StoredRecord, seal: Seal): string {
  const { sealed } = value as { readonly sealed: string };
  return seal.open(sealed, contextOf(kind, id));
}

export const sealedSigningKeys: readonly SealedRecords[] = [SIGNING_KEY, SECRET].map((kind) => ({
  kind,
  places: [['sealed']],
  context: (id) => contextOf(kind, id),
}));

function contextOf(kind: string, id: string): SealContext {
  return { id, service: 'oauth', kind };
}
