import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../core/store.ts';
import { storeContract } from '../store.contract.ts';
import { sqliteStore } from './store.ts';

storeContract('the sqlite store', {
  shared: true,
  make: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-store-'));
    const file = join(folder, 'state.db');
    const others: Store[] = [];
    return {
      store: sqliteStore({ file, pollMillis: 5 }),
      another: () => {
        const other = sqliteStore({ file, pollMillis: 5 });
        others.push(other);
        return other;
      },
      async dispose() {
        for (const other of others) await other.close();
        await rm(folder, { recursive: true });
      },
    };
  },
});
