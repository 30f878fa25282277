import { z } from 'zod';
import { contentOf } from '../../audit/chain/verify-chain.ts';
import type { Exchange } from '../exchange.ts';
import { sinceOf } from './overview.ts';
import { faultsOf, pageShape } from '../shape.ts';
import { isRefused, refused, type Refused } from '../refused.ts';

const filterSchema = z.strictObject({
  ...pageShape,
  type: z.string().max(128).optional(),
  actor: z.string().max(256).optional(),
});

/** GET /admin/api/events: who did what, oldest first; with `after` what came behind a sequence number. */
export async function eventList({ stack, query }: Exchange): Promise<object | Refused> {
  const parsed = filterSchema.safeParse(Object.fromEntries(query));
  if (!parsed.success) return refused('bad_request', faultsOf(parsed.error));
  const { since, ...rest } = parsed.data;
  const span = since === undefined ? null : sinceOf(stack, since);
  if (span && isRefused(span)) return span;
  const filter = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const rows = await stack.store.events.list('events', {
    ...filter,
    limit: rest.limit,
    ...(span && { since: span.since }),
  });
  return { events: rows.map(({ sequence, text }) => ({ ...contentOf(text), sequence })) };
}
