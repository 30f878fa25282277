import type { KeyUse } from '../../core/credential.ts';
import type { UsageStore } from '../../core/store.ts';
import { listOf, type Server } from './server.ts';

/** Written at a time: what a script does in a few milliseconds, during which Redis serves nobody else. */
const step = 200;

export function redisUsage(server: Server): UsageStore {
  async function usesOf(credentialId: string): Promise<KeyUse[]> {
    const reply = listOf(await server.run('usageOf', credentialId));
    const uses: KeyUse[] = [];
    for (let at = 0; at < reply.length; at += 4) {
      const [caller = '', clientAddress = ''] = JSON.parse(reply[at] ?? '[]') as string[];
      const [count, firstUsed, lastUsed] = reply.slice(at + 1, at + 4).map(Number);
      uses.push({
        credentialId,
        caller,
        clientAddress,
        firstUsed: firstUsed ?? 0,
        lastUsed: lastUsed ?? 0,
        count: count ?? 0,
      });
    }
    return uses;
  }

  return {
    async add(uses) {
      for (let start = 0; start < uses.length; start += step) {
        const some = uses.slice(start, start + step);
        await server.run(
          'usageAdd',
          ...some.flatMap(({ credentialId, caller, clientAddress, count, firstUsed, lastUsed }) => [
            credentialId,
            JSON.stringify([caller, clientAddress]),
            count,
            firstUsed,
            lastUsed,
          ]),
        );
      }
      if (uses.length === 0) await server.ask((client) => client.ping());
    },
    async list(credentialIds) {
      const ids = credentialIds ?? listOf(await server.ask((client) => client.smembers('countersign:usage')));
      // Pipelined by the client: one round trip for all, and Redis serves others between two.
      const uses = await Promise.all([...new Set(ids)].map((id) => usesOf(id ?? '')));
      return uses.flat().sort((a, b) => b.lastUsed - a.lastUsed);
    },
  };
}
