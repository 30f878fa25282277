import { rotateCommand, type KeyEnd } from '../core/credential.ts';
import type { FoundKey } from './sources/index.ts';
import { spanWords } from './use-words.ts';

/** Of keys outside the store those that are let go of where they lie: service:key:<id> in Redis. Nothing replaces one by itself. */
export function endsElsewhere(found: readonly FoundKey[]): KeyEnd[] {
  return found.flatMap((key) => {
    if (key.kind !== 'hs' || key.endsAt === undefined) return [];
    return [{ id: key.credentialId, service: key.service, kind: key.kind, expiresAt: key.endsAt }];
  });
}

/** Whoever reads a key where it lies has none once it is let go of there, whatever the store holds. */
export function endElsewhereWords({ id, service, expiresAt }: KeyEnd, now: number): string {
  return `key ${id} of ${service} ends in ${spanWords(expiresAt - now)} where it lies: ${rotateCommand({ id, service })}`;
}
