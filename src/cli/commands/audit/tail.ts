import { logLine } from '../../../audit/log-line.ts';
import { callerWords } from '../../../audit/report/words.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import type { EventFilter, EventRow } from '../../../core/event.ts';
import { callerId } from '../../../core/route.ts';
import { OTHERS } from '../../../core/rollup.ts';
import { lastDecision } from '../../../core/last-decision.ts';
import { printable } from '../../../core/text/printable.ts';
import type { Outcome } from '../../../core/decision.ts';
import type { DecisionFilter, DecisionRow, Store } from '../../../core/store.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { namedRoute } from './named-route.ts';
import { EXIT, usage } from '../../failure.ts';
import type { Style } from '../../output.ts';
import { tailed, type Tailed } from './tailed.ts';
import { atWork } from '../../workplace.ts';
import { showEvent } from './events.ts';
import { countOption } from '../tokens/tokens.ts';

const OUTCOME_STYLE: Readonly<Record<Outcome, Style>> = {
  allow: 'green',
  deny: 'red',
  would_deny: 'yellow',
  public: 'dim',
};

export async function auditTail(invocation: Invocation): Promise<number> {
  const limit = countOption(invocation, 'lines', 20);
  const events = invocation.flag('events');
  refuseMixed(invocation, events);
  const [ofEvents, ofDecisions] = [eventFilterOf(invocation), filterOf(invocation)];
  return atWork(invocation, async ({ config, store }) => {
    const route = ofDecisions.route === undefined ? {} : namedRoute(config, ofDecisions.route);
    // Where --service is given it counts, and the route is the rule alone.
    const filter = ofDecisions.service === undefined ? { ...ofDecisions, ...route } : ofDecisions;
    const shown = events
      ? await show(eventsOf(store, ofEvents, invocation), limit, invocation)
      : await show(decisionsOf(store, filter, invocation), limit, invocation);
    if (shown === 0 && !invocation.flag('follow'))
      invocation.out.talk(`No ${events ? 'events' : 'decisions'} are kept that match.`);
    return EXIT.done;
  });
}

function decisionsOf(
  { decisions }: Store,
  filter: Omit<DecisionFilter, 'limit'>,
  invocation: Invocation,
): Tailed<DecisionRow & { readonly sequence: number }> {
  return {
    list: (page) => decisions.list({ ...filter, ...page }),
    newest: () => lastDecision(decisions),
    show: (row) => showDecision(row, invocation),
  };
}

function eventsOf({ events }: Store, filter: Omit<EventFilter, 'limit'>, invocation: Invocation): Tailed<EventRow> {
  return {
    list: (page) => events.list('events', { ...filter, ...page }),
    newest: async () => (await events.head('events'))?.sequence ?? 0,
    show: (row) => showEvent(row, invocation),
  };
}

/** Resolves to how many were shown; following ends with Ctrl-C. */
async function show<Row extends { readonly sequence: number }>(
  what: Tailed<Row>,
  limit: number,
  { flag, out }: Invocation,
): Promise<number> {
  const following = flag('follow');
  const stop = new AbortController();
  const end = (): void => stop.abort();
  // Before the first row is shown: whoever has seen one may press Ctrl-C.
  if (following) process.once('SIGINT', end).once('SIGTERM', end);
  const shown = await tailed(what, { limit, following, signal: stop.signal, isGone: () => out.gone });
  process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
  return shown;
}

const OF_DECISIONS = ['outcome', 'service', 'route', 'reason', 'caller', 'request'];
const OF_EVENTS = ['type', 'actor'];

function refuseMixed(invocation: Invocation, events: boolean): void {
  const wrong = (events ? OF_DECISIONS : OF_EVENTS).find((option) => invocation.text(option) !== null);
  if (wrong !== undefined)
    throw usage(
      events ? `--${wrong} is about decisions: leave out --events` : `--${wrong} is about events: add --events`,
    );
}

function timesOf(invocation: Invocation): { since?: number; until?: number } {
  const given = ['since', 'until'].flatMap((option) => {
    const text = invocation.text(option);
    return text === null ? [] : [[option, systemClock() - durationSeconds(text, option)]];
  });
  return Object.fromEntries(given) as { since?: number; until?: number };
}

function eventFilterOf(invocation: Invocation): Omit<EventFilter, 'limit'> {
  const [type, actor] = [invocation.text('type'), invocation.text('actor')];
  return { ...timesOf(invocation), ...(type !== null && { type }), ...(actor !== null && { actor }) };
}

function filterOf(invocation: Invocation): Omit<DecisionFilter, 'limit'> {
  const outcome = invocation.text('outcome');
  if (outcome !== null && !isOutcome(outcome)) {
    throw usage(`--outcome is ${Object.keys(OUTCOME_STYLE).join(', ')}; "${outcome}" is none of them`);
  }
  const caller = invocation.text('caller');
  const given = ['service', 'route', 'reason'].flatMap((option) => {
    const value = invocation.text(option);
    return value === null ? [] : [[option, value]];
  });
  const requestId = invocation.text('request');
  return {
    ...timesOf(invocation),
    ...(outcome !== null && { outcome }),
    ...(requestId !== null && { requestId }),
    ...(caller !== null && { caller: callerMeant(caller) }),
    ...Object.fromEntries(given),
  };
}

/** As the report names it, or as a rule does: 'aidb' is service:aidb. */
function callerMeant(words: string): string {
  if (words === callerWords('')) return '';
  return words === '' || words === OTHERS ? words : callerId(words);
}

function isOutcome(text: string): text is Outcome {
  return Object.hasOwn(OUTCOME_STYLE, text);
}

function showDecision(row: DecisionRow, { out, json }: Invocation): void {
  if (json) {
    out.line(logLine(row));
    return;
  }
  const time = rfc3339(row.time);
  // Who proves nothing may be anybody: then it is the address that tells.
  const who = row.principal || `${row.claimed === '' ? callerWords('') : `${row.claimed}?`} from ${row.clientAddress}`;
  const why = row.reason === '' ? '' : `${row.reason}: ${row.note}`;
  // Whoever writes to the store itself may have put anything there.
  const style = isOutcome(row.outcome) ? OUTCOME_STYLE[row.outcome] : 'red';
  const words = [out.paint('dim', time), out.paint(style, printable(row.outcome).padEnd(10))];
  const place = row.service === '' ? row.path : `/${row.service}${row.path}`;
  const id = out.paint('dim', printable(row.requestId));
  out.line(
    [...words, printable(row.method).padEnd(4), printable(place), printable(who), id, printable(why)]
      .join('  ')
      .trimEnd(),
  );
}
