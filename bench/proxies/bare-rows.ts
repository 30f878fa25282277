import { DatabaseSync } from 'node:sqlite';
import { decisionValues, decisionWidth } from '../../src/core/decision-values.ts';
import type { DecisionKeeper } from '../../src/core/store.ts';

/** The least that keeps rows: one prepared insert each into a table without an index, nothing counted, told apart or sealed. */
export function bareRows(file: string): DecisionKeeper & { count(): number } {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  const columns = Array.from({ length: decisionWidth }, (_, index) => `c${index}`);
  database.exec(`CREATE TABLE rows (${columns.join(', ')})`);
  const insert = database.prepare(`INSERT INTO rows VALUES (${columns.map(() => '?').join(', ')})`);
  return {
    append(rows) {
      database.exec('BEGIN');
      for (const row of rows) insert.run(...decisionValues(row));
      database.exec('COMMIT');
      return Promise.resolve();
    },
    prune: () => Promise.resolve(0),
    pruneRollups: () => Promise.resolve(),
    count: () => database.prepare('SELECT COUNT(*) AS n FROM rows').get()?.['n'] as number,
  };
}
