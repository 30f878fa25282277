import { z } from 'zod';
import { logLine } from '../../audit/log-line.ts';
import type { DecisionRow } from '../../core/store.ts';
import { lastDecision } from '../../core/last-decision.ts';
import type { Exchange } from '../exchange.ts';
import { sinceOf } from './overview.ts';
import { faultsOf, pageShape } from '../shape.ts';
import { isRefused, refused, type Refused } from '../refused.ts';

const filterSchema = z.strictObject({
  ...pageShape,
  /** So long ago; what is younger is left out. */
  until: z.string().optional(),
  outcome: z
    .enum(['allow', 'deny', 'would_deny', 'public'], { error: 'must be allow, deny, would_deny or public' })
    .optional(),
  service: z.string().max(128).optional(),
  route: z.string().max(2048).optional(),
  reason: z.string().max(128).optional(),
  /** The id of an OAuth client may be an address. */
  caller: z.string().max(2048).optional(),
  request: z.string().max(128).optional(),
});

/**
 * GET /admin/api/decisions: the rows of the audit, oldest first; with `after` those behind a sequence number. `looked_to`: what
 * to give as `after` next, so that whoever follows what is rare has nothing looked through twice; null with `until`.
 */
export async function decisionList({ stack, query }: Exchange): Promise<object | Refused> {
  const parsed = filterSchema.safeParse(Object.fromEntries(query));
  if (!parsed.success) return refused('bad_request', faultsOf(parsed.error));
  const { since, until, request, limit, ...rest } = parsed.data;
  const begin = since === undefined ? null : sinceOf(stack, since);
  if (begin && isRefused(begin)) return begin;
  const end = until === undefined ? null : sinceOf(stack, until, 'until');
  if (end && isRefused(end)) return end;
  await stack.audit.flush();
  const filter = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  const before = await lastDecision(stack.store.decisions);
  const rows = await stack.store.decisions.list({
    ...filter,
    limit,
    ...(begin && { since: begin.since }),
    ...(end && { until: end.since }),
    ...(request !== undefined && { requestId: request }),
  });
  return { decisions: rows.map(decisionLine), looked_to: lookedTo() };

  function lookedTo(): number | null {
    const last = rows.at(-1)?.sequence ?? 0;
    // What is too young now fits later.
    if (end) return null;
    return rest.after !== undefined && rows.length === limit ? last : Math.max(before, last);
  }
}

/** The fields of the log line, so that whoever reads one can read the other; the sequence number is what `after` takes. */
export function decisionLine(row: DecisionRow & { readonly sequence: number }): object {
  return { sequence: row.sequence, ...(JSON.parse(logLine(row)) as object) };
}
