import { configText } from '../../compose/schema/config-text.ts';
import { ConfigError } from '../../compose/load/load.ts';
import { routeProposal, untaughtRoutes, type LeastTraffic, type RouteProposal } from '../../compose/route-proposal.ts';
import type { Stack } from '../../compose/stack.ts';
import { rfc3339 } from '../../core/clock.ts';
import { lastDecision } from '../../core/last-decision.ts';
import { deny } from '../../core/verdict.ts';
import type { Evidence } from '../../rollout/proposal.ts';
import { recordedRows } from '../../rollout/recorded.ts';
import type { Work } from './guards.ts';
import { sinceOf } from './overview.ts';
import { isRefused, refused, refusedBy, type Refused } from '../refused.ts';

/** A server has more to do: beyond so many rows it learns from the newest. */
const rowsMax = 100_000;
const listedMax = 500;
/** As `countersign learn` has them when nothing else is said. */
const limits = { requestsMin: 10, timesMin: 3 };

/** GET /admin/api/learn: what recorded traffic would change in the configuration's routes. One is made at a time. */
export function learnedRoutes(): Work {
  let running: { readonly since: string; readonly answer: Promise<object | Refused> } | null = null;
  return async ({ stack, query }) => {
    const since = query.get('since') ?? '7d';
    const span = sinceOf(stack, since);
    if (isRefused(span)) return span;
    if (running && running.since !== since)
      return refusedBy(deny('unavailable', 'another proposal is being made', { retryAfter: 5 }));
    running ??= { since, answer: learned(stack, span.since).finally(() => (running = null)) };
    return running.answer;
  };
}

async function learned({ config: { file }, store, audit }: Stack, since: number): Promise<object | Refused> {
  if (file === null) return refused('not_found', 'the configuration is in no file');
  await audit.flush();
  const newest = await lastDecision(store.decisions);
  const behind = Math.max(0, newest - rowsMax);
  const [first] = behind === 0 ? [] : await store.decisions.list({ after: behind, limit: 1 });
  try {
    const proposal = (least: LeastTraffic): Promise<RouteProposal> =>
      routeProposal(configText(file), {
        file,
        // Only routes are read here, and nothing of them comes from the environment.
        env: {},
        rows: recordedRows(store.decisions, since, behind),
        ...least,
        // What else stands in the file is not for everybody who may look.
        contextLines: 0,
      });
    const made = await proposal(limits);
    const { found, diff, byHand } = made;
    return {
      since: rfc3339(Math.max(since, first?.time ?? 0)),
      requests: found.requests,
      untaught: await untaughtRoutes(made, proposal),
      diff,
      by_hand: byHand,
      proposals: found.proposals
        .slice(0, listedMax)
        .map(({ service, kind, path, methods, access, callers, evidence }) => ({
          service,
          kind,
          path,
          methods,
          access,
          callers,
          ...seen(evidence),
        })),
      public_looking: found.public_looking
        .slice(0, listedMax)
        .map(({ evidence, ...rest }) => ({ ...rest, ...seen(evidence) })),
      matrix: found.matrix.toSorted((a, b) => b.requests - a.requests).slice(0, listedMax),
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return refused('bad_request', 'the configuration cannot be read as it is now; countersign validate says why');
  }
}

function seen({ requests, times, firstSeen, lastSeen, requestId }: Evidence) {
  return {
    requests,
    minutes: times,
    first_seen: rfc3339(firstSeen),
    last_seen: rfc3339(lastSeen),
    example_request_id: requestId,
  };
}
