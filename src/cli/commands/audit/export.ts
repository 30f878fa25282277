import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { lastWhere } from '../../../audit/chain/find-link.ts';
import { linkLine } from '../../../audit/chain/link.ts';
import { terminalSafe } from '../../../audit/log-line.ts';
import { sealedIn } from '../../../audit/chain/seal.ts';
import { contentOf } from '../../../audit/chain/verify-chain.ts';
import { systemClock } from '../../../core/clock.ts';
import type { Chain, EventRow } from '../../../core/event.ts';
import type { Store } from '../../../core/store.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { codeOf, EXIT, refused, usage } from '../../failure.ts';
import { atWork } from '../../workplace.ts';

const page = 500;

type Write = (line: string) => Promise<void> | void;

/** Everything as JSON lines: events, seals, decisions, each in the order of their numbers. */
export async function auditExport(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const sinceText = invocation.text('since');
  const since = sinceText === null ? null : systemClock() - durationSeconds(sinceText, 'since');
  const format = invocation.text('format') ?? 'jsonl';
  if (format !== 'jsonl') throw usage(`--format is jsonl, not "${format}"`);
  const file = invocation.text('out');
  return atWork(invocation, async ({ store }) => {
    const withDecisions = !invocation.flag('events');
    if (file === null) {
      await exported(store, since, withDecisions, (line) => {
        if (!out.gone) out.line(line);
      });
      return EXIT.done;
    }
    const written = await intoFile(resolve(file), (write) => exported(store, since, withDecisions, write));
    out.talk(`wrote ${written} lines to ${file}`);
    return EXIT.done;
  });
}

async function intoFile(file: string, work: (write: Write) => Promise<void>): Promise<number> {
  // Who calls what is not for everybody on this machine; and what was exported before is not written over.
  const stream = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  const ended = finished(stream);
  let lines = 0;
  try {
    await Promise.race([once(stream, 'open'), ended]);
    await work(async (line) => {
      lines += 1;
      if (!stream.write(`${line}\n`)) await Promise.race([once(stream, 'drain'), ended]);
    });
    stream.end();
    await ended;
    return lines;
  } catch (error) {
    stream.destroy();
    ended.catch(() => undefined);
    const code = codeOf(error);
    if (code === 'EEXIST') throw refused(`${file} is there already and was left alone`, 'Name another file.');
    throw error;
  }
}

async function exported(store: Store, since: number | null, withDecisions: boolean, write: Write): Promise<void> {
  await links(store, 'events', since, write);
  if (!withDecisions) return;
  const first = await links(store, 'decisions', since, write);
  // Of a part, decisions begin where their seals do, so that each can be held against its own; the whole leaves out none.
  let after = since === null ? -Infinity : (first ?? 1) - 1;
  for (;;) {
    const rows = await store.decisions.list({ after, limit: page });
    for (const row of rows) await write(terminalSafe(JSON.stringify({ decision: row })));
    after = rows.at(-1)?.sequence ?? after;
    if (rows.length < page) return;
  }
}

/** Returns the first decision that the written seals are about; null when none was written. */
async function links({ events }: Store, chain: Chain, since: number | null, write: Write): Promise<number | null> {
  let first: number | null = null;
  let after = since === null ? -Infinity : await lastWhere(events, chain, ({ time }) => time <= since);
  for (;;) {
    const rows = await events.list(chain, { after, limit: page });
    for (const row of rows) {
      await write(linkLine(row));
      if (chain === 'decisions') first ??= firstDecision(row);
    }
    after = rows.at(-1)?.sequence ?? after;
    if (rows.length < page) return first;
  }
}

function firstDecision({ text }: EventRow): number | null {
  const content = contentOf(text);
  return (content && sealedIn(content))?.first ?? null;
}
