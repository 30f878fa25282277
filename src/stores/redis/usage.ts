import type { KeyUse } from '../../core/credential.ts';
import type { UsageStore } from '../../core/store.ts';
import { parsed, textIn } from './kept-json.ts';
import { listOf, type Server } from './server.ts';

/** Written at a time: what a script does in a few milliseconds, during which Redis serves nobody else. */
const step = 200;

export function redisUsage(server: Server): UsageStore {
  async function usesOf(credentialId: string): Promise<KeyUse[]> {
    const reply = listOf(await server.run('usageOf', credentialId));
    const uses: KeyUse[] = [];
    for (let at = 0; at < reply.length; at += 4) {
      const place = placeIn(reply[at] ?? null);
      const [count = 0, firstUsed = 0, lastUsed = 0] = reply.slice(at + 1, at + 4).map((text) => Number(text) || 0);
      uses.push({ credentialId, ...place, firstUsed, lastUsed, count });
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

/** A place that somebody made unreadable is one that says nothing, and hides no other. */
function placeIn(json: string | null): Pick<KeyUse, 'caller' | 'clientAddress'> {
  const value = parsed(json);
  const [caller, clientAddress] = Array.isArray(value) ? (value as unknown[]) : [];
  return { caller: textIn(caller), clientAddress: textIn(clientAddress) };
}
