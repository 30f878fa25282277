import { StoreError, type DecisionFilter, type DecisionRow, type DecisionStore } from '../../core/store.ts';
import { longMillisMax } from '../postgres/database.ts';

type Kept = DecisionRow & { readonly sequence: number };

const pageRows = 1000;

/**
 * The functions of the database know no request ids, so the rows come here and are looked through: the newest first, a page
 * at a time, for as long as a statement may take. Then it rejects: what was not looked at may hold what was asked for.
 */
export function withRequestIds(decisions: DecisionStore, place: string): DecisionStore {
  async function searched({ requestId, limit, ...rest }: DecisionFilter): Promise<Kept[]> {
    const lastMillis = performance.now() + longMillisMax;
    const found = new Map<number, Kept>();
    const pages = rest.after === undefined ? backInTime(decisions, rest) : upwards(decisions, rest, rest.after);
    for await (const page of pages) {
      for (const row of page) if (row.requestId === requestId && found.size < limit) found.set(row.sequence, row);
      if (found.size >= limit) break;
      if (performance.now() > lastMillis) throw tooMany(place);
    }
    return [...found.values()].sort((a, b) => a.sequence - b.sequence);
  }

  return {
    ...decisions,
    list: (filter) => (filter.requestId === undefined ? decisions.list(filter) : searched(filter)),
  };
}

/** The newest row of a page first. Rows of the moment between two pages are in both. */
async function* backInTime(
  decisions: DecisionStore,
  filter: Omit<DecisionFilter, 'limit'>,
): AsyncGenerator<readonly Kept[]> {
  for (let [until, rows] = [filter.until, pageRows]; ;) {
    const page = await decisions.list({ ...filter, ...(until !== undefined && { until }), limit: rows });
    const newestFirst = page.toSorted((a, b) => b.time - a.time || b.sequence - a.sequence);
    yield newestFirst;
    const oldest = newestFirst.at(-1)?.time;
    if (oldest === undefined || page.length < rows) return;
    // A moment that fills a whole page is passed by a larger one only.
    if (newestFirst[0]?.time === oldest) rows *= 2;
    else [until, rows] = [oldest, pageRows];
  }
}

async function* upwards(
  decisions: DecisionStore,
  filter: Omit<DecisionFilter, 'limit'>,
  after: number,
): AsyncGenerator<readonly Kept[]> {
  for (let from = after; ;) {
    const page = await decisions.list({ ...filter, after: from, limit: pageRows });
    yield page;
    const last = page.at(-1);
    if (!last || page.length < pageRows) return;
    from = last.sequence;
  }
}

function tooMany(place: string): StoreError {
  const words = `more decisions than can be looked through in ${longMillisMax / 1000} s`;
  return new StoreError('store_unavailable', `Supabase at ${place} has ${words}: say since when, or of which service`);
}
