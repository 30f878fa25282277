import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { HeadError, readHead, type AuditHead } from '../../../audit/chain/head.ts';
import {
  notedEnd,
  verifyChain,
  type ChainFault,
  type ChainStand,
  type ExpectedEnd,
} from '../../../audit/chain/verify-chain.ts';
import { verifyDecisions, type SealedStand } from '../../../audit/chain/verify-decisions.ts';
import { auditKey } from '../../../compose/audit-key.ts';
import { systemClock } from '../../../core/clock.ts';
import { printable } from '../../../core/text/printable.ts';
import { ed25519PublicOf, ed25519PublicPem } from '../../../crypto/ed25519.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused } from '../../failure.ts';
import { atWork, readConfig } from '../../workplace.ts';
import { fileSource, storeSource, type AuditSource } from './source.ts';

interface Verified {
  readonly events: ChainStand;
  readonly seals: ChainStand | null;
  readonly decisions: SealedStand | null;
  readonly fault: ChainFault | null;
}

/** Exit 1 when something is not as it was written. */
export async function auditVerify(invocation: Invocation): Promise<number> {
  const file = invocation.text('from');
  const head = await expectedHead(invocation);
  const found =
    file === null
      ? await atWork(invocation, async ({ store }) => {
          // What is added while this runs lies behind it.
          const end = await store.events.head('events');
          return verified(storeSource(store), head, end, invocation);
        })
      : await verified(await fileSource(resolve(file)), head, null, invocation);
  say(found, head, invocation);
  return found.fault === null ? EXIT.done : EXIT.refused;
}

async function verified(
  source: AuditSource,
  head: AuditHead | null,
  end: ExpectedEnd | null,
  invocation: Invocation,
): Promise<Verified> {
  const partial = invocation.flag('partial');
  let noted: ExpectedEnd | null = null;
  let forged: ChainFault | null = null;
  const events = await verifyChain({
    rows: source.links('events'),
    chain: 'events',
    expected: [head?.events ?? [], end ?? []].flat(),
    partial,
    ...laterIn(source, 'events'),
    onLink({ sequence: at }, content) {
      if (content.type !== 'decisions.sealed') return;
      const told = notedEnd(content);
      const words = `link ${at} was inserted: it notes no end that a server would`;
      if (!told) forged ??= { chain: 'events', kind: 'inserted', from: at, to: at, words };
      else if (told.sequence > (noted?.sequence ?? 0)) noted = told;
    },
  });
  const eventsAlone = invocation.flag('events');
  const fault = events.fault ?? forged ?? (eventsAlone ? null : leftOut(source, head));
  if (fault || eventsAlone || !source.hasDecisions) return { events, seals: null, decisions: null, fault };
  const seals = await verifyChain({
    rows: source.links('decisions'),
    chain: 'decisions',
    expected: [head?.decisions ?? [], noted ?? []].flat(),
    partial,
    ...laterIn(source, 'decisions'),
  });
  if (seals.fault) return { events, seals, decisions: null, fault: seals.fault };
  const decisions = await verifyDecisions(
    { seals: () => source.links('decisions'), decisionsBehind: (after, limit) => source.decisionsBehind(after, limit) },
    systemClock(),
  );
  return { events, seals, decisions, fault: decisions.fault };
}

/** Whoever can write an export can take all decisions out of it. */
function leftOut({ hasDecisions }: AuditSource, head: AuditHead | null): ChainFault | null {
  const to = head?.decisions?.sequence;
  if (hasDecisions || to === undefined) return null;
  const words = `neither seals nor decisions are in this export, and seal ${to} was noted; of events alone, say so: --events`;
  return { chain: 'decisions', kind: 'truncated', from: 1, to, words };
}

function laterIn(source: AuditSource, chain: 'events' | 'decisions') {
  return source.comesLater ? { comesLater: (sequence: number) => source.comesLater?.(chain, sequence) ?? false } : {};
}

/** The end that was noted elsewhere, when one is named and its signature is right. */
async function expectedHead(invocation: Invocation): Promise<AuditHead | null> {
  const file = invocation.text('head');
  if (file === null) return null;
  const key = await publicKey(invocation);
  try {
    return await readHead(textOf(file), key);
  } catch (error) {
    if (error instanceof HeadError) throw refused(`${file}: ${error.message}`);
    throw error;
  }
}

async function publicKey(invocation: Invocation): Promise<string> {
  const file = invocation.text('key');
  if (file !== null) {
    try {
      return ed25519PublicPem(textOf(file));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw refused(`${file}: ${error.message}`);
    }
  }
  // An export is verified where there is no stack, too, and there nobody is to write a configuration for it.
  const isHere = existsSync(invocation.configFile);
  const own = isHere ? auditKey(await readConfig(invocation), invocation.env) : null;
  if (own === null)
    throw refused(
      'whose signature is it? Name the public key with --key FILE',
      'Where the head was signed: openssl pkey -in audit.key -pubout -out audit.pub',
    );
  return ed25519PublicOf(own);
}

function textOf(file: string): string {
  try {
    return readFileSync(resolve(file), 'utf8');
  } catch (error) {
    throw refused(`${file} cannot be read (${codeOf(error)})`);
  }
}

function say(
  { events, seals, decisions, fault }: Verified,
  head: AuditHead | null,
  { out, json, flag }: Invocation,
): void {
  if (json) {
    out.json({
      verified: fault === null,
      fault,
      events: { count: events.count, first: events.first, last: events.last?.sequence ?? null },
      seals: seals && { count: seals.count, first: seals.first, last: seals.last?.sequence ?? null },
      decisions: decisions && { verified: decisions.count, removed: decisions.removed, unsealed: decisions.unsealed },
      head: head && {
        name: head.name,
        time: head.time,
        events: head.events?.sequence ?? null,
        seals: head.decisions?.sequence ?? null,
      },
    });
    return;
  }
  const row = (name: string, text: string): void => out.line(`${out.paint('dim', name.padEnd(9))}  ${text}`);
  row('events', rangeWords(events));
  if (seals) row('seals', rangeWords(seals));
  else if (!fault) row('decisions', flag('events') ? 'not looked at' : 'not in this export');
  if (decisions)
    row(
      'decisions',
      `${decisions.count} as they were sealed, ${decisions.removed} gone by age or number, ${decisions.unsealed} not sealed yet`,
    );
  if (fault) {
    const place = { events: 'events', decisions: 'decisions' }[fault.chain];
    out.line(`${out.paint('red', fault.kind)}  ${place}: ${fault.words}`);
  } else
    out.line(
      `${out.paint('green', 'verified')}  ${head ? `up to ${headWords(head)} and beyond` : 'in itself; that its end was not cut off shows only --head FILE'}`,
    );
}

/** Of which stack it is and how far it came: one of another stack, or of none yet, says nothing of this one. */
function headWords({ name, time, events, decisions }: AuditHead): string {
  const end = (what: string, at: AuditHead['events']): string => (at ? `${what} ${at.sequence}` : `no ${what}`);
  return `the head of ${printable(name)} at ${printable(time)} (${end('event', events)}, ${end('seal', decisions)})`;
}

function rangeWords({ count, first, last }: ChainStand): string {
  return count === 0 ? 'none' : `${count} as they were written, ${first} to ${last?.sequence}`;
}
