import type { KeyUse } from '../../core/credential.ts';
import { usesKeptMax, type UsageStore } from '../../core/store.ts';
import type { Memory } from './memory.ts';

export function memoryUsage({ step }: Memory): UsageStore {
  const byCredential = new Map<string, Map<string, KeyUse>>();

  function addOne(use: KeyUse): void {
    let places = byCredential.get(use.credentialId);
    if (!places) byCredential.set(use.credentialId, (places = new Map()));
    const place = JSON.stringify([use.caller, use.clientAddress]);
    const before = places.get(place);
    places.set(place, {
      ...use,
      firstUsed: Math.min(use.firstUsed, before?.firstUsed ?? Infinity),
      lastUsed: Math.max(use.lastUsed, before?.lastUsed ?? -Infinity),
      count: use.count + (before?.count ?? 0),
    });
    if (places.size <= usesKeptMax) return;
    const [oldest] = [...places].sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
    if (oldest) places.delete(oldest[0]);
  }

  return {
    add: (uses) => step(() => uses.forEach(addOne)),
    list: (credentialIds) =>
      step(() => {
        const ids = credentialIds ? new Set(credentialIds) : byCredential.keys();
        const uses = [...ids].flatMap((id) => [...(byCredential.get(id)?.values() ?? [])]);
        return uses.sort((a, b) => b.lastUsed - a.lastUsed).map((use) => ({ ...use }));
      }),
  };
}
