import type { StackConfig } from '../../compose/config.ts';
import { systemClock } from '../../core/clock.ts';
import { lifeFault } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';

/** The HMAC secrets of one service as the verifier holds them: to compare with, never to show. */
export interface HeldKeys {
  readonly live: readonly string[];
  /** 'key 4fTq0ZkP1a was revoked', for those that verify nothing any more. */
  readonly dead: readonly string[];
}

export async function heldKeys(store: Store, seal: Seal, service: string): Promise<HeldKeys> {
  const now = systemClock();
  const records = (await store.keys.list()).filter((record) => record.service === service && record.kind === 'hs');
  const live: string[] = [];
  const dead: string[] = [];
  for (const { id, kind, material, expiresAt, revokedAt } of records) {
    const fault = lifeFault({ expiresAt, revoked: revokedAt !== null }, now);
    if (fault !== null) dead.push(`key ${id} ${fault === 'revoked' ? 'was revoked' : 'has expired'}`);
    else if (material !== null) live.push(seal.open(material, { id, service, kind }));
  }
  return { live, dead };
}

/** '/embeddings' when the target begins with a configured service: what a gateway puts in front of the path. */
export function prefixOf(config: StackConfig, target: string): string | undefined {
  const segment = /^\/([^/?]*)/.exec(target)?.[1];
  return config.services.some(({ name }) => name === segment) ? `/${segment}` : undefined;
}
