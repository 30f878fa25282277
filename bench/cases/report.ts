import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { report } from '../../src/audit/report/report.ts';
import type { Store } from '../../src/core/store.ts';
import { postgresStore } from '../../src/stores/postgres/store.ts';
import { sqliteStore } from '../../src/stores/sqlite/store.ts';
import { startPostgres } from '../../test/fixtures/databases.ts';
import { median, type Bench, type NamedCase } from '../measure.ts';
import { recordDay } from '../recorded-day.ts';

const decisions = 5_000_000;
const day = 86_400;
const runs = 7;

/** `report` over a day of five million decisions, beside grouping the rows themselves. */
const cases: readonly NamedCase[] = [
  {
    name: 'report over a day on sqlite',
    onlyNamed: true,
    async run(bench) {
      const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-report-'));
      try {
        await timed(bench, 'sqlite', sqliteStore({ file: join(folder, 'state.db') }));
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  },
  {
    name: 'report over a day on postgres',
    onlyNamed: true,
    async run(bench) {
      const server = await startPostgres();
      try {
        await timed(bench, 'postgres', postgresStore({ url: await server.database() }));
      } finally {
        await server.stop();
      }
    },
  },
];

export default cases;

async function timed(bench: Bench, engine: string, store: Store): Promise<void> {
  await store.migrate();
  const end = Math.floor(Date.now() / 1000);
  const began = performance.now();
  await recordDay(store, decisions, end);
  bench.say(`${engine}: ${decisions} decisions recorded in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const period = { since: end - day, until: end + 1 };
  const samples: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const asked = performance.now();
    const { requests } = await report(store, period);
    samples.push(performance.now() - asked);
    if (requests !== decisions) throw new Error(`the report counts ${requests} of ${decisions} requests`);
  }
  bench.report({
    case: `report over a day of ${decisions} decisions on ${engine}`,
    unit: 'ms',
    ours: median(samples),
    peer: await groupingMillis(store, period),
    peer_name: 'grouping the rows',
    runs,
  });
  await store.close();
}

/** Infinity where the database gives up first. */
async function groupingMillis(store: Store, { since, until }: { since: number; until: number }): Promise<number> {
  const asked = performance.now();
  try {
    await store.decisions.groups(since, until);
    return performance.now() - asked;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
