import { StoreError } from '../../core/store.ts';
import { recordFields } from './record-fields.ts';
import { listOf, type Server } from './server.ts';

/** What keys and tokens are kept under, with their ids behind it. */
export const prefixes = { keysPage: 'countersign:key:', tokensPage: 'countersign:token:' } as const;

/** A record is JSON; what was set beside it later counts in place of what it says. `name`: of what holds it. */
export function recordOf<R extends { readonly revokedAt: number | null }>(
  name: string,
  [record, revokedAt, expiresAt, settled]: readonly (string | null | undefined)[],
): R | null {
  if (record === null || record === undefined) return null;
  return {
    ...parse(name, record),
    revokedAt: revokedAt === null || revokedAt === undefined ? null : Number(revokedAt),
    ...(typeof expiresAt === 'string' && { expiresAt: expiresAt === '' ? null : Number(expiresAt) }),
    ...(settled === '1' && { pending: false }),
  } as unknown as R;
}

/** Throws on what is no record of ours: half a record must not become one without bounds. */
function parse(name: string, text: string): object {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    if (value && [value['scopes'], value['allowedIps']].every(isListOfTexts)) return value;
  } catch {
    // Said below.
  }
  throw new StoreError(
    'store_unavailable',
    `${name} in Redis cannot be read: another program changed it; put it back as it was, or delete it`,
  );
}

/** Of an empty list Lua makes an empty map, which would have no length, and so bound nothing. */
function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** Read at a time: what a script does in a few milliseconds, during which Redis serves nobody else. */
const pageSize = 1000;

/** All records of an index, page after page. What is inserted meanwhile may come or not, or push another into two pages. */
export async function* pagesOf<R extends { readonly revokedAt: number | null }>(
  server: Server,
  script: keyof typeof prefixes,
): AsyncGenerator<R[]> {
  const ask = (start: number): Promise<unknown> => server.run(script, start, start + pageSize - 1);
  let asked = ask(0);
  for (let next = pageSize; ; next += pageSize) {
    const [count, ...rows] = listOf(await asked);
    const isLast = Number(count) < pageSize;
    if (!isLast) {
      // Redis reads the next page while this one is worked on.
      asked = ask(next);
      // Heard of when it is awaited, or not at all when nobody wants more.
      asked.catch(() => undefined);
    }
    const records: R[] = [];
    for (let at = 0; at < rows.length; at += 1 + recordFields.length) {
      const record = recordOf<R>(`${prefixes[script]}${rows[at]}`, rows.slice(at + 1, at + 1 + recordFields.length));
      if (record) records.push(record);
    }
    yield records;
    if (isLast) return;
  }
}
