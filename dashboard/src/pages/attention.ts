import { linkTo } from '../address.ts';
import { ago, callerName } from '../format.ts';
import type { Ramp, Report, Status } from '../shapes.ts';

/** Something that an operator should look at, and where. */
export interface Thing {
  readonly tone: 'bad' | 'warn';
  readonly kind: string;
  readonly words: string;
  readonly link: string;
}

const skewSeconds = 30;

/** What else is known; null where it is not known yet, or where there is no ramp. */
export interface Around {
  readonly status: Status | null;
  readonly ramp: Ramp | null;
}

/** The worst first: what is broken, then what would break. */
export function attention(report: Report, { status, ramp }: Around, now: number): Thing[] {
  const things: Thing[] = [];
  if (status?.dev_mode)
    things.push({
      tone: 'bad',
      kind: 'open',
      words: 'Requests pass unauthenticated: dev mode is on',
      link: linkTo('services'),
    });
  if (status && !status.store_up)
    things.push({ tone: 'bad', kind: 'store', words: 'The store does not answer', link: linkTo('overview') });
  const stands = ramp && rampThing(ramp);
  if (stands) things.push(stands);
  for (const key of report.key_expiry.filter(({ has_successor }) => !has_successor)) {
    const over = Date.parse(key.expires_at) <= now;
    things.push({
      tone: over ? 'bad' : 'warn',
      kind: 'key',
      words: `Key ${key.id} of ${key.service} ${over ? 'ended' : 'ends'} ${ago(key.expires_at, now)}`,
      link: linkTo('keys', null, { find: key.id }),
    });
  }
  for (const { caller, requests, reason, client_addresses: addresses } of report.verdict.mend)
    things.push({
      tone: 'warn',
      kind: 'caller',
      words: `${callerName(caller)}${caller === '' && addresses[0] ? ` from ${addresses[0]}` : ''} would be refused: ${reason} (${requests} ${requests === 1 ? 'request' : 'requests'})`,
      link: linkTo('callers', caller),
    });
  for (const { caller, max_s } of report.clock_skew)
    if (Math.abs(max_s) > skewSeconds)
      things.push({
        tone: 'warn',
        kind: 'clock',
        words: `The clock of ${caller} is off by ${Math.round(max_s)} s`,
        link: linkTo('callers', caller),
      });
  if (report.recorded_ahead)
    things.push({
      tone: 'warn',
      kind: 'clock',
      words: `The clock of a server is ahead: ${report.recorded_ahead.requests} requests are recorded up to ${report.recorded_ahead.max_s} s ahead of now`,
      link: linkTo('report'),
    });
  if (report.unreadable_counts > 0)
    things.push({
      tone: 'warn',
      kind: 'store',
      words: `${report.unreadable_counts} counts in the store cannot be read: another program changed them`,
      link: linkTo('report'),
    });
  for (const words of status?.warnings ?? []) things.push({ tone: 'warn', kind: 'keys', words, link: linkTo('keys') });
  return things.sort((a, b) => Number(b.tone === 'bad') - Number(a.tone === 'bad'));
}

/** A ramp that does not go on. Whoever took all of it back by hand knows. */
function rampThing({ name, status, step, findings }: Ramp): Thing | null {
  // Behind why it was rolled back stands what the gates say now.
  const isMeant = findings[0]?.startsWith('rolled back by hand') ?? false;
  const thing = { kind: 'ramp', link: linkTo('ramp') };
  switch (status) {
    case 'stopped':
      return { ...thing, tone: isMeant ? 'warn' : 'bad', words: `Ramp ${name} stopped: step ${step} was rolled back` };
    case 'withdrawn':
      return isMeant ? null : { ...thing, tone: 'bad', words: `Ramp ${name} was rolled back: it enforces nothing` };
    case 'paused':
      return { ...thing, tone: 'warn', words: `Ramp ${name} is paused at step ${step}` };
    default:
      return null;
  }
}
