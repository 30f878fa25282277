import { basename } from 'node:path';
import type { DecisionRow } from '../core/store.ts';
import { learn, type Learned } from '../rollout/learn.ts';
import { applyEdits, unifiedDiff } from '../rollout/line-diff.ts';
import { routeEdits } from '../rollout/route-edits.ts';
import type { Env } from './env.ts';
import { parseConfig } from './load.ts';

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

export interface RouteProposalOptions {
  /** Where the text comes from. */
  readonly file: string;
  readonly env: Env;
  readonly rows: AsyncIterable<DecisionRow>;
  readonly requestsMin: number;
  readonly timesMin: number;
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
