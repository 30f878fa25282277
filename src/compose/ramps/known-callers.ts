import { isProvenCaller } from '../../core/rollup.ts';
import type { FoundKey } from '../../keys/sources/index.ts';
import type { LastingKey } from '../../rollout/ramp/ending-keys.ts';
import type { RampGates } from '../../rollout/ramp/plan.ts';
import type { StackConfig } from '../config.ts';

export interface Acquaintance {
  readonly config: Pick<StackConfig, 'services' | 'outsideCallers'>;
  /** Whether a service of this name has a key to sign with. */
  hasKey(service: string): boolean;
}

/** Whether a caller, as evidence names it ('service:aidb', with a question mark where it only claims to be), is one of ours. */
export function knownCallers(parts: Acquaintance, claims: RampGates['claims']): (caller: string) => boolean {
  return (caller) => {
    if (isProvenCaller(caller)) return true;
    return claims === 'count' && caller.endsWith('?') && isOurs(parts, caller.slice(0, -1));
  };
}

/** Whether somebody of this principal id is configured, or has a key: anybody can claim to be it. */
export function isOurs({ config, hasKey }: Acquaintance, id: string): boolean {
  if (!id.startsWith('service:')) return false;
  const name = id.slice('service:'.length);
  return config.outsideCallers.includes(name) || config.services.some((one) => one.name === name) || hasKey(name);
}

/** The same of a running stack. */
export function hasKeyIn(keyring: { signatureKeys(keyid: string): readonly unknown[] }): (service: string) => boolean {
  return (service) => {
    try {
      return keyring.signatureKeys(service).length > 0;
    } catch {
      // A source of keys is away: then nobody can say.
      return false;
    }
  };
}

/** Of keys that were found outside the store those with which callers prove themselves, and for how long they lie there. */
export function keysOfCallers(found: readonly FoundKey[]): LastingKey[] {
  return found.flatMap((key): LastingKey[] => {
    const { service, credentialId: id } = key;
    if (key.kind === 'sk') return [];
    return [{ service, id, expiresAt: (key.kind === 'hs' ? key.endsAt : key.record.expiresAt) ?? null }];
  });
}
