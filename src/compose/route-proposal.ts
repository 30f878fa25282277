import { basename } from 'node:path';
import type { DecisionRow } from '../core/store.ts';
import { learn, type Learned } from '../rollout/learn.ts';
import { applyEdits, unifiedDiff } from '../rollout/line-diff.ts';
import { routeEdits } from '../rollout/route-edits.ts';
import type { Env } from './env.ts';
import { parseConfig } from './load/load.ts';

/** What recorded traffic would change in a configuration, as its file would have it. */
export interface RouteProposal {
  readonly found: Learned;
  /** For `patch`; '' where nothing is to be changed. */
  readonly diff: string;
  /** The whole file, changed. */
  readonly text: string;
  /** Services whose part of the file is not written line by line. */
  readonly byHand: readonly string[];
}

export interface RouteProposalOptions extends LeastTraffic {
  /** Where the text comes from. */
  readonly file: string;
  readonly env: Env;
  readonly rows: AsyncIterable<DecisionRow>;
  /** Lines of the file around each change. */
  readonly contextLines?: number;
}

/** Throws a ConfigError where the text is no configuration. */
export async function routeProposal(
  text: string,
  { file, env, rows, requestsMin, timesMin, contextLines }: RouteProposalOptions,
): Promise<RouteProposal> {
  const read = (source: string) => parseConfig(source, { file, env, keyHolders: 'unchecked' });
  const found = await learn({ rows, services: read(text).services, requestsMin, timesMin });
  const { edits, lines, byHand } = routeEdits(text, found);
  const changed = `${applyEdits(lines, edits).join('\n')}\n`;
  // Whatever was learned, the file must still say what its reader and its checks expect.
  if (edits.length > 0) read(changed);
  return { found, text: changed, byHand, diff: unifiedDiff(basename(file), lines, edits, contextLines) };
}

/** How seldom something may be asked for and still be learned from. */
export interface LeastTraffic {
  readonly requestsMin: number;
  readonly timesMin: number;
}

/**
 * How many routes were asked for too seldom to teach anything. Told only of a proposal with nothing to show, since all is read once
 * more for it.
 */
export async function untaughtRoutes(
  made: RouteProposal,
  propose: (least: LeastTraffic) => Promise<RouteProposal>,
): Promise<number> {
  if (made.diff !== '' || made.found.requests === 0) return 0;
  return routesIn(await propose({ requestsMin: 1, timesMin: 1 })) - routesIn(made);
}

/** Rules; what a service asks of all that has none follows from these. */
function routesIn({ found }: RouteProposal): number {
  return found.proposals.filter(({ kind, path }) => kind === 'narrow' || path !== '/*').length;
}
