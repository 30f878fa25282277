import { Client } from 'pg';
import { openStore } from '../src/compose/open-store.ts';
import type { KeyRecord, TokenRecord } from '../src/core/credential.ts';
import type { Store } from '../src/core/store.ts';
import { sha256Hex } from '../src/crypto/digest.ts';
import { mintKey } from '../src/crypto/key-format.ts';
import { uuid } from '../src/crypto/random.ts';
import { sealWith } from '../src/crypto/seal.ts';
import { recordOfSecret } from '../src/keys/create.ts';
import { startPostgres, startRedis } from '../test/fixtures/databases.ts';

/** With which the HMAC secrets among the keys are sealed. */
export const masterKey = '5a'.repeat(32);
const seal = sealWith(masterKey);
const now = Date.now() / 1000;

/** A store of its own on a real engine of this machine, which takes many records at a time. */
export interface Filling {
  /** An empty store that is migrated. */
  readonly store: Store;
  readonly url: string;
  addKeys(records: readonly KeyRecord[]): Promise<void>;
  /** Those numbered from `first` on, with tokenHash(number). */
  addTokens(first: number, end: number): Promise<void>;
  close(): Promise<void>;
}

export const tokenText = (number: number): string => `token-of-the-bench-${number}`;

export function keyRecords(count: number): { records: KeyRecord[]; keys: string[] } {
  const keys: string[] = [];
  const records = Array.from({ length: count }, (_, number) => {
    const kind = number % 2 === 0 ? 'sk' : 'hs';
    const { id, key } = mintKey(kind);
    if (kind === 'sk') keys.push(key);
    return recordOfSecret(seal, { service: `service-${number}`, kind, expiresAt: null, now }, id, key, false);
  });
  return { records, keys };
}

function tokenRecord(number: number): TokenRecord {
  return {
    tokenId: uuid(),
    tokenHash: sha256Hex(tokenText(number)),
    createdAt: now,
    expiresAt: now + 86_400,
    revokedAt: null,
    scopes: ['embed:write'],
    allowedIps: ['10.0.0.0/8'],
    clientId: 'bench',
    createdBy: '',
    metadata: {},
  };
}

function rowOf({ id, service, kind, digest, material, lastFour, createdAt }: KeyRecord): object {
  return {
    id,
    service,
    kind,
    digest,
    material,
    last_four: lastFour,
    imported: false,
    scopes: [],
    allowed_ips: [],
    created_at: createdAt,
    pending: false,
  };
}

export async function onPostgres(): Promise<Filling> {
  const server = await startPostgres();
  const url = await server.database();
  const store = await openStore({ kind: 'postgres', url }, {});
  await store.migrate();
  const client = new Client({ connectionString: url });
  await client.connect();
  // Filled by bulk: nobody is to be told.
  await client.query('SET session_replication_role = replica');
  return {
    store,
    url,
    async addKeys(records) {
      for (let first = 0; first < records.length; first += 5000) {
        const rows = records.slice(first, first + 5000).map(rowOf);
        const sql = 'INSERT INTO countersign_keys SELECT * FROM json_populate_recordset(NULL::countersign_keys, $1)';
        await client.query(sql, [JSON.stringify(rows)]);
      }
    },
    async addTokens(first, end) {
      await client.query(
        `INSERT INTO auth_tokens (token_id, token_hash, expires_at, scopes, allowed_ips, client_id)
         SELECT gen_random_uuid(), encode(sha256(('token-of-the-bench-' || n)::bytea), 'hex'), now() + interval '1 day',
           '["embed:write"]', '["10.0.0.0/8"]', 'bench' FROM generate_series($1::int, $2::int - 1) AS n`,
        [first, end],
      );
      await client.query('VACUUM ANALYZE auth_tokens');
    },
    async close() {
      await client.end();
      await store.close();
      await server.stop();
    },
  };
}

export async function onRedis(): Promise<Filling> {
  const { url, stop } = await startRedis(undefined, { appendonly: 'no' });
  const store = await openStore({ kind: 'redis', url }, {});
  await store.migrate();
  const inParallel = async (count: number, work: (number: number) => Promise<void>): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) await work(next++);
    };
    await Promise.all(Array.from({ length: 256 }, worker));
  };
  return {
    store,
    url,
    addKeys: (records) => inParallel(records.length, (number) => store.keys.insert(records[number] as KeyRecord)),
    addTokens: (first, end) => inParallel(end - first, (number) => store.tokens.insert(tokenRecord(first + number))),
    async close() {
      await store.close();
      await stop();
    },
  };
}
