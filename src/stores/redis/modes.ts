import type { ModeRow, ModeStore } from '../../core/store.ts';
import type { Feed } from './feed.ts';
import { listOf, type Server } from './server.ts';

export function redisModes(server: Server, feed: Feed): ModeStore {
  return {
    async list() {
      const rows = listOf(await server.ask((client) => client.hvals('countersign:modes')));
      return rows.map((row) => JSON.parse(row ?? '') as ModeRow).sort((a, b) => (a.scope < b.scope ? -1 : 1));
    },
    async set(row) {
      await feed.write('modeSet', row.scope, JSON.stringify(row), 'one');
    },
    async setAll(row) {
      await feed.write('modeSet', '*', JSON.stringify({ ...row, scope: '*' }), 'all');
    },
    async clear(scope, only) {
      await feed.write('modeClear', scope ?? '', scope === null ? 'all' : 'one', only ?? '');
    },
  };
}
