import { logLine } from '../../audit/log-line.ts';
import { rfc3339 } from '../../core/clock.ts';
import { printable } from '../../core/printable.ts';
import type { Outcome } from '../../core/decision.ts';
import type { DecisionFilter, DecisionRow, Store } from '../../core/store.ts';
import type { Invocation } from '../command.ts';
import { EXIT, usage } from '../failure.ts';
import type { Style } from '../output.ts';
import { atWork } from '../workplace.ts';
import { countOption } from './tokens.ts';

const OUTCOME_STYLE: Readonly<Record<Outcome, Style>> = {
  allow: 'green',
  deny: 'red',
  would_deny: 'yellow',
  public: 'dim',
};
const pollMillis = 250;
const batch = 500;

export async function auditTail(invocation: Invocation): Promise<number> {
  const limit = countOption(invocation, 'lines', 20);
  const filter = filterOf(invocation);
  return atWork(invocation, async ({ store }) => {
    if (!invocation.flag('follow')) {
      const rows = await store.decisions.list({ ...filter, limit });
      for (const row of rows) show(row, invocation);
      if (rows.length === 0) invocation.out.talk('No decisions are kept that match.');
      return EXIT.done;
    }
    await follow(store, { ...filter, limit }, invocation);
    return EXIT.done;
  });
}

/** Until Ctrl-C. Rows come in batches, so a poll a few times a second loses nothing and costs little. */
async function follow(store: Store, filter: DecisionFilter, invocation: Invocation): Promise<void> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  // Before the first row is shown: whoever has seen one may press Ctrl-C.
  process.once('SIGINT', end).once('SIGTERM', end);
  let rows = await store.decisions.list(filter);
  let after = rows.at(-1)?.sequence ?? (await newest(store));
  for (;;) {
    for (const row of rows) show(row, invocation);
    after = rows.at(-1)?.sequence ?? after;
    if (rows.length < batch) await pause(stop.signal);
    if (stop.signal.aborted || invocation.out.gone) break;
    rows = await store.decisions.list({ ...filter, after, limit: batch });
  }
  process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, pollMillis);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}

async function newest(store: Store): Promise<number> {
  return (await store.decisions.list({ limit: 1 })).at(-1)?.sequence ?? 0;
}

function filterOf(invocation: Invocation): Omit<DecisionFilter, 'limit'> {
  const outcome = invocation.text('outcome');
  if (outcome !== null && !isOutcome(outcome)) {
    throw usage(`--outcome is ${Object.keys(OUTCOME_STYLE).join(', ')}; "${outcome}" is none of them`);
  }
  const service = invocation.text('service');
  const caller = invocation.text('caller');
  return {
    ...(outcome === null ? {} : { outcome }),
    ...(service === null ? {} : { service }),
    ...(caller === null ? {} : { caller }),
  };
}

function isOutcome(text: string): text is Outcome {
  return Object.hasOwn(OUTCOME_STYLE, text);
}

function show(row: DecisionRow, { out, json }: Invocation): void {
  if (json) {
    out.line(logLine(row));
    return;
  }
  const time = rfc3339(row.time);
  const who = row.principal || (row.claimed === '' ? '-' : `${row.claimed}?`);
  const why = row.reason === '' ? '' : `${row.reason}: ${row.note}`;
  const words = [out.paint('dim', time), out.paint(OUTCOME_STYLE[row.outcome], row.outcome.padEnd(10))];
  const place = `/${row.service}${row.path}`;
  out.line([...words, row.method.padEnd(4), printable(place), printable(who), printable(why)].join('  ').trimEnd());
}
