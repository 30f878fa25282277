import { PostgrestClient } from '@supabase/postgrest-js';
import { StoreError } from '../../core/store.ts';
import type { Queries, Statement, Value } from '../postgres/database.ts';
import { functionOf } from '../postgres/rpc.ts';

/** The database behind a PostgREST: each statement is a function there, made by the migration. */
export interface HttpQueries extends Queries {
  /** Host and path, for messages. */
  readonly place: string;
  close(): void;
}

export interface HttpOptions {
  /** https://PROJECT.supabase.co, or a PostgREST's own address with its path. */
  readonly url: string;
  readonly key: string;
  readonly patienceMillis: number;
}

export function httpQueries({ url, key, patienceMillis }: HttpOptions): HttpQueries {
  const root = restRoot(url);
  const place = root.host + root.pathname;
  const ended = new AbortController();
  const client = new PostgrestClient(root.href, {
    headers: headersOf(key),
    // What broke off may have been done; and a redirect would carry the key to wherever it points.
    retry: false,
    fetch: (input, init) => fetch(input, { ...init, redirect: 'error' }),
  });

  return {
    place,
    async query<Row extends object>(
      statement: Statement,
      values: readonly Value[] = [],
      millisMax = patienceMillis,
    ): Promise<Row[]> {
      if (ended.signal.aborted) throw unavailable(place, 'is closed');
      const late = AbortSignal.timeout(millisMax);
      const given = Object.fromEntries(values.map((value, index) => [`p${index + 1}`, value]));
      const { data, error, status } = await client
        .rpc(functionOf(statement), given)
        .abortSignal(AbortSignal.any([ended.signal, late]));
      if (!error && Array.isArray(data)) return data as Row[];
      if (late.aborted) throw unavailable(place, 'does not answer in time');
      throw fault(place, status, error?.code ?? '');
    },
    close: () => ended.abort(new Error('the store is closed')),
  };
}

/** A project's address is that of all its services; whoever names a path means it. */
function restRoot(url: string): URL {
  const root = new URL(url);
  root.pathname = root.pathname === '/' ? '/rest/v1' : root.pathname.replace(/\/+$/, '');
  return root;
}

/** A secret key of the newer form is no JWT, and PostgREST would refuse it as a Bearer. */
function headersOf(key: string): Record<string, string> {
  const isJwt = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(key);
  return { apikey: key, ...(isJwt && { authorization: `Bearer ${key}` }) };
}

const missing = new Set(['PGRST202', 'PGRST203', 'PGRST205', '42883', '42P01', '42703']);

/** Neither the key nor the server's own message is passed on: that holds values. */
function fault(place: string, status: number, code: string): StoreError {
  if (code === '23505') return new StoreError('duplicate', `stored already (Postgres: ${code})`);
  if (missing.has(code))
    return new StoreError(
      'schema_outdated',
      `the database behind ${place} lacks a function of this version (${code}); ${remedy}`,
    );
  const said = [status === 0 ? '' : `HTTP ${status}`, code].filter((part) => part !== '').join(', ');
  if (status === 401 || status === 403)
    return unavailable(
      place,
      `refuses the key; SUPABASE_KEY is the secret (service_role) key of the project (${said})`,
    );
  if (code.startsWith('22'))
    return unavailable(place, `cannot hold a value that it was given (${said})`, { unstorable: true });
  if (status === 0) return unavailable(place, `cannot be reached (${said === '' ? 'no connection' : said})`);
  return unavailable(place, `cannot do what was asked (${said === '' ? 'no answer of PostgREST' : said})`);
}

export const remedy =
  'run what `countersign store sql` prints in the SQL editor of the project, or with psql: over HTTP no schema can be made';

function unavailable(place: string, words: string, options: { readonly unstorable?: boolean } = {}): StoreError {
  return new StoreError('store_unavailable', `Supabase at ${place} ${words}`, options);
}
