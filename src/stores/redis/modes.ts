import type { ModeStore } from '../../core/store.ts';
import type { Feed } from './feed.ts';
import { modeIn } from './kept-json.ts';
import type { Server } from './server.ts';

export function redisModes(server: Server, feed: Feed): ModeStore {
  return {
    async list() {
      const held = (await server.ask((client) => client.hgetall('countersign:modes'))) as Record<string, string>;
      return Object.entries(held)
        .map(([scope, row]) => modeIn(scope, row))
        .sort((a, b) => (a.scope < b.scope ? -1 : 1));
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
