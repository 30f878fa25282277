import type { ModeRow, ModeStore } from '../../core/store.ts';
import type { Queries, Statement } from './database.ts';
import type { Feed } from './feed.ts';

const list: Statement = {
  name: 'countersign-modes',
  text: `SELECT scope, mode, set_at AS "setAt", set_by AS "setBy" FROM countersign_modes ORDER BY scope COLLATE "C"`,
};

const upsert = `INSERT INTO countersign_modes (scope, mode, set_at, set_by) VALUES ($2, $3, $4, $5)
  ON CONFLICT (scope) DO UPDATE SET mode = excluded.mode, set_at = excluded.set_at, set_by = excluded.set_by`;

const set: Statement = {
  name: 'countersign-mode-set',
  text: `WITH done AS (${upsert}) SELECT countersign_tell($1, 'modes', $2) AS told`,
};
const setAll: Statement = {
  name: 'countersign-mode-set-all',
  text: `WITH gone AS (DELETE FROM countersign_modes WHERE scope <> $2), done AS (${upsert})
    SELECT countersign_tell($1, 'modes', $2) AS told`,
};
const clear: Statement = {
  name: 'countersign-mode-clear',
  text: `WITH gone AS (
      DELETE FROM countersign_modes WHERE ($2::text IS NULL OR scope = $2) AND ($3::text IS NULL OR mode = $3))
    SELECT countersign_tell($1, 'modes', COALESCE($2, '*')) AS told`,
};

export const modeStatements: readonly Statement[] = [list, set, setAll, clear];

export function postgresModes(database: Queries, feed: Feed): ModeStore {
  return {
    list: () => database.query<ModeRow>(list),
    async set({ scope, mode, setAt, setBy }) {
      await feed.write(set, [scope, mode, setAt, setBy]);
    },
    async setAll({ mode, setAt, setBy }) {
      await feed.write(setAll, ['*', mode, setAt, setBy]);
    },
    async clear(scope, only) {
      await feed.write(clear, [scope, only ?? null]);
    },
  };
}
