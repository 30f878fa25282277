import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { storeSource } from '../../cli/commands/audit/source.ts';
import { chainStart, type Actor, type EventRow } from '../../core/event.ts';
import type { Store } from '../../core/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { linkBehind, recordAct } from './link.ts';
import { sealer } from './sealer.ts';
import { verifyChain, type ChainFault } from './verify-chain.ts';
import { verifyDecisions } from './verify-decisions.ts';

export const self: Actor = { id: 'server:here', via: 'server', from: 'here' };
export const t0 = 1_800_000_000;
export const retain = { seconds: 86_400, rows: 10_000 };

/** A store, and the way past it that somebody has who may write to its file. */
export async function sqliteBeside(
  t: TestContext,
): Promise<{ readonly store: Store; readonly database: DatabaseSync }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-audit-'));
  const file = join(folder, 'state.db');
  const store = sqliteStore({ file });
  await store.migrate();
  const database = new DatabaseSync(file);
  t.after(async () => {
    database.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  return { store, database };
}

/** Three events, and three decisions that are sealed. */
export async function fill(store: Store): Promise<void> {
  const clock = () => t0;
  for (const subject of ['a', 'b', 'c'])
    await recordAct({ events: store.events, clock }, { type: 'key.created', subject }, self);
  await store.decisions.append([1, 2, 3].map((number) => decisionRow(number, { time: t0 })));
  const work = sealer({ events: store.events, decisions: store.decisions, clock, self, retain, retainEvents: retain });
  await work.seal();
}

/** A link that somebody made by themselves, as it would be behind another, under any number. */
export function forgedLink(sequence: number, details: Partial<EventRow> = {}): EventRow {
  const chain = details.chain ?? 'events';
  const head = { sequence: sequence - 1, time: t0 + 1e6, hash: chainStart };
  return { ...linkBehind(chain, head, { type: 'mode.set', subject: 'mine' }, self, t0), ...details };
}

/** The first fault, as `audit verify` looks for it. */
export async function faultIn(store: Store, now = t0): Promise<ChainFault | null> {
  const source = storeSource(store);
  for (const chain of ['events', 'decisions'] as const) {
    const { fault } = await verifyChain({ rows: source.links(chain), chain, expected: [] });
    if (fault) return fault;
  }
  const { decisionsBehind } = source;
  return (await verifyDecisions({ seals: () => source.links('decisions'), decisionsBehind }, now)).fault;
}
