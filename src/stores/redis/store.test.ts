import { after } from 'node:test';
import { Redis } from 'ioredis';
import type { Store } from '../../core/store.ts';
import { forThisFile, startRedis } from '../../../test/fixtures/databases.ts';
import { storeContract } from '../store.contract.ts';
import { redisStore } from './store.ts';

const server = await forThisFile('the redis store keeps the store contract', startRedis);

if (server) {
  const { url } = server;
  const emptying = new Redis(url);
  emptying.on('error', () => {});
  after(() => emptying.disconnect());

  storeContract('the redis store', {
    shared: true,
    make: async () => {
      await emptying.flushall();
      const others: Store[] = [];
      const opened = (at = url): Store => {
        const other = redisStore({ url: at });
        others.push(other);
        return other;
      };
      return {
        store: redisStore({ url }),
        another: () => opened(),
        wire: { port: server.port, at: (port) => opened(url.replace(`:${server.port}`, `:${port}`)) },
        async dispose() {
          for (const other of others) await other.close();
        },
      };
    },
  });
}
