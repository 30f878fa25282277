import { chainStart, type EventRow } from '../core/event.ts';
import type { KeyRecord, KeyUse, TokenRecord } from '../core/credential.ts';
import type { RecordEntry } from '../core/record.ts';
import { hasCode, type DecisionRow, type Store } from '../core/store.ts';

/** One store of its own for each test. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Another instance on the same state, as another process has it. Asked for only where state is shared. */
  another(): Store;
  /** Where its server listens on loopback, and another instance that reaches it at another port; none where it has no server. */
  readonly wire?: { readonly port: number; at(port: number): Store };
  /** Closes what `another` opened and removes what was made; the suite closes the store itself. */
  dispose(): Promise<void>;
}

/** What each part of the contract is given. */
export interface ContractGround {
  /** The store of the test that runs. */
  readonly under: () => StoreUnderTest;
  /** Registers a test that needs a second instance on the same state; nothing where there can be none. */
  readonly sharing: (name: string, work: () => Promise<void>) => void;
  /** Each verb is a request to somebody else's server: where thousands are made, some hundreds are enough. */
  readonly remote: boolean;
}

/** Time is handed to every verb, so tests move it by themselves. Epoch seconds. */
export const t0 = 1_800_000_000;

/** Every verb that is told to those who watch, once or more. */
export async function changeEverything(store: Store): Promise<void> {
  await store.keys.insert(keyRecord('a'));
  await store.keys.insert(keyRecord('b', { replaces: 'a', pending: true }));
  await store.keys.promote('b', t0 + 60);
  await store.keys.setExpiry('b', t0 + 600);
  await store.keys.revoke('a', t0);
  await store.keys.revokeDigest('from-a-file', t0);
  await store.tokens.insert(tokenRecord(1));
  await store.tokens.revoke(tokenRecord(1).tokenId, t0);
  await store.modes.set({ scope: 'embeddings', mode: 'off', setAt: t0, setBy: '' });
  await store.modes.setAll({ scope: '', mode: 'off', setAt: t0, setBy: '' });
  await store.modes.clear('embeddings');
  await store.modes.clear(null);
  const record = await store.records.put(recordOf('a/b'), null, t0);
  await store.records.remove('ramp', 'a/b', record?.revision ?? '', t0);
}

export function recordOf(id: string, changes: Partial<RecordEntry> = {}): RecordEntry {
  return { kind: 'ramp', id, value: { step: 1 }, expiresAt: null, ...changes };
}

export function hashOf(sequence: number): string {
  return String(sequence).padStart(64, 'a');
}

export function eventRow(sequence: number, details: Partial<EventRow> = {}): EventRow {
  const text = `{"sequence":${sequence},"\u{1f511}":"\\u0000"}`;
  const plain = { chain: 'events', type: 'key.created', actor: 'cli:root' } as const;
  return { ...plain, sequence, time: t0 + sequence, text, hash: hashOf(sequence), ...details };
}

export function previousOf({ sequence }: EventRow): string {
  return sequence === 1 ? chainStart : hashOf(sequence - 1);
}

export function keyRecord(id: string, details: Partial<KeyRecord> = {}): KeyRecord {
  return {
    id,
    service: 'aidb',
    kind: 'sk',
    digest: `digest-of-${id}`,
    material: null,
    lastFour: 'wxyz',
    imported: false,
    scopes: [],
    allowedIps: [],
    createdAt: t0,
    expiresAt: null,
    revokedAt: null,
    replaces: null,
    pending: false,
    ...details,
  };
}

export function tokenRecord(number: number, details: Partial<TokenRecord> = {}): TokenRecord {
  return {
    tokenId: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
    tokenHash: `hash-of-${number}`,
    createdAt: t0,
    expiresAt: t0 + 86_400,
    revokedAt: null,
    scopes: [],
    allowedIps: [],
    clientId: null,
    metadata: {},
    createdBy: '',
    ...details,
  };
}

export function useOf(credentialId: string, details: Partial<KeyUse> = {}): KeyUse {
  const base = { caller: 'service:aidb', clientAddress: '10.0.0.7', firstUsed: t0, lastUsed: t0, count: 1 };
  return { credentialId, ...base, ...details };
}

export function requestsOf(rows: readonly DecisionRow[]): string[] {
  return rows.map(({ requestId }) => requestId);
}

/** The time and the request id say which row it is. */
export function decisionRow(number: number, details: Partial<DecisionRow> = {}): DecisionRow {
  return {
    time: t0 + number,
    outcome: 'allow',
    reason: '',
    note: '',
    mode: 'report',
    service: 'embeddings',
    route: '/embed',
    method: 'POST',
    path: '/embed',
    principal: 'service:web',
    claimed: '',
    scheme: 'api-key',
    credentialId: 'abc',
    clientAddress: '10.0.0.7',
    skewSeconds: null,
    durationMicros: 3,
    requestId: `r${number}`,
    ...details,
  };
}

export function coded(code: string): (error: unknown) => boolean {
  return (error) => hasCode(error, code) && error instanceof Error && error.message.length > 10;
}
