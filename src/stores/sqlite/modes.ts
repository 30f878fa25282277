import type { ModeRow, ModeStore } from '../../core/store.ts';
import type { Changes } from './changes.ts';
import type { Database } from './database.ts';

const upsert = `INSERT INTO countersign_modes (scope, mode, set_at, set_by) VALUES (?, ?, ?, ?)
  ON CONFLICT (scope) DO UPDATE SET mode = excluded.mode, set_at = excluded.set_at, set_by = excluded.set_by`;

export function sqliteModes(database: Database, { write, note }: Changes): ModeStore {
  const { step } = database;

  function put(scope: string, { mode, setAt, setBy }: ModeRow): void {
    database.durable.run(upsert, scope, mode, setAt, setBy);
    note('modes', scope);
  }

  return {
    list: () =>
      step(() =>
        database.durable
          .all<ModeRow>('SELECT scope, mode, set_at AS setAt, set_by AS setBy FROM countersign_modes ORDER BY scope')
          .map((row) => ({ ...row })),
      ),
    set: (row) => step(() => write(() => put(row.scope, row))),
    setAll: (row) =>
      step(() =>
        write(() => {
          database.durable.run('DELETE FROM countersign_modes');
          put('*', row);
        }),
      ),
    clear: (scope, only) =>
      step(() =>
        write(() => {
          const sql = 'DELETE FROM countersign_modes WHERE (? IS NULL OR scope = ?) AND (? IS NULL OR mode = ?)';
          const mode = only ?? null;
          database.durable.run(sql, scope, scope, mode, mode);
          note('modes', scope ?? '*');
        }),
      ),
  };
}
