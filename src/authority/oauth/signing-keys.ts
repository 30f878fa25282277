import { exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Clock } from '../../core/clock.ts';
import { everyRecord, type JsonValue, type RecordStore, type StoredRecord } from '../../core/record.ts';
import { StoreError } from '../../core/store.ts';
import { randomSecret } from '../../crypto/random.ts';
import type { Seal, SealContext, SealedRecords } from '../../crypto/seal.ts';
import { SIGNING_KEY } from '../../keys/tokens/issued-tokens.ts';

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
/** The next key is there to be seen before it signs: whoever verifies has heard of it by then. */
const aheadSeconds = 86_400;
const rotatedAheadSeconds = 60;
const attemptsMax = 8;
const SECRET = 'oauth-secret';

/** One key as it is kept; of two that may sign, the one with the higher number does. */
export interface KeptKey {
  readonly kid: string;
  readonly number: number;
  /** Epoch seconds. */
  readonly signsFrom: number;
  /** Until when it verifies. */
  readonly expiresAt: number;
  readonly record: StoredRecord;
}

/**
 * One key for each thirty days, made a day ahead by whichever replica comes first, and kept for thirty more: a token signed on the
 * last day is good on the next. The private halves are sealed.
 */
export async function signingKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const now = options.clock();
  let kept = await keptKeys(options);
  const newest = kept.at(-1);
  if (newest === undefined || newest.signsFrom + periodSeconds - aheadSeconds <= now) {
    // Whoever was first: theirs counts.
    await makeKey(options, newest, Math.max(now, newest === undefined ? now : newest.signsFrom + periodSeconds));
    kept = await keptKeys(options);
  }
  const signer = signerOf(kept, now);
  const later = kept.flatMap(({ signsFrom }) => (signsFrom > now ? [signsFrom] : []));
  return {
    jwks: [...kept]
      .sort((one, other) => Number(other === signer) - Number(one === signer))
      .map(({ record }) => JSON.parse(opened(record, options.seal)) as JWK),
    cookieSecret: await cookieSecret(options),
    dueAt: Math.min(...later, (kept.at(-1)?.signsFrom ?? now) + periodSeconds - aheadSeconds),
  };
}

/** The key that signs at this moment; undefined without any. */
export function signerOf(kept: readonly KeptKey[], now: number): KeptKey | undefined {
  return kept.findLast(({ signsFrom }) => signsFrom <= now) ?? kept[0];
}

/** By number. */
export async function keptKeys({ records, clock }: Pick<SigningKeysOptions, 'records' | 'clock'>): Promise<KeptKey[]> {
  const found = await everyRecord(records, SIGNING_KEY, clock());
  return found
    .map((record) => {
      const { signsFrom = 0 } = record.value as { readonly signsFrom?: number };
      return {
        kid: record.id,
        number: Number(record.id.slice(1)),
        signsFrom,
        expiresAt: record.expiresAt ?? Infinity,
        record,
      };
    })
    .sort((one, other) => one.number - other.number);
}

export interface Rotated {
  readonly kid: string;
  readonly signsFrom: number;
  /** Ids of the keys that verify no more. */
  readonly withdrawn: readonly string[];
}

/**
 * The next key before its time. It signs in a minute, and the ones before verify on; with `withdraw` it signs at once and they are
 * gone: what they signed is dead as soon as the news is heard.
 */
export async function rotateSigningKey(options: SigningKeysOptions, withdraw: boolean): Promise<Rotated> {
  const { records, clock } = options;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const before = await keptKeys(options);
    const signsFrom = clock() + (withdraw ? 0 : rotatedAheadSeconds);
    const kid = await makeKey(options, before.at(-1), signsFrom);
    if (kid === null) continue;
    const gone = withdraw ? before : [];
    for (const { record } of gone) await records.remove(SIGNING_KEY, record.id, record.revision, clock());
    return { kid, signsFrom, withdrawn: gone.map((key) => key.kid) };
  }
  throw new StoreError('store_unavailable', 'others make keys at the same moment; try again');
}

/** Resolves to its id; to null where another replica made the next one. No number comes again, even after all keys have ended. */
async function makeKey({ records, seal, clock }: SigningKeysOptions, newest: KeptKey | undefined, signsFrom: number) {
  const now = clock();
  const kid = `p${Math.max((newest?.number ?? 0) + 1, Math.floor(now / 3600))}`;
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const words = { kid, alg: 'ES256', use: 'sig' };
  const value: JsonValue = {
    public: { ...((await exportJWK(publicKey)) as Record<string, string>), ...words },
    sealed: seal.seal(JSON.stringify({ ...(await exportJWK(privateKey)), ...words }), contextOf(SIGNING_KEY, kid)),
    signsFrom,
  };
  const entry = { kind: SIGNING_KEY, id: kid, value, expiresAt: signsFrom + 2 * periodSeconds };
  return (await records.put(entry, null, now)) ? kid : null;
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
