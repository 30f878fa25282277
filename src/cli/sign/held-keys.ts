import { basename, dirname, join } from 'node:path';
import type { StackConfig } from '../../compose/config.ts';
import { systemClock } from '../../core/clock.ts';
import { lifeFault } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';
import { envFiles } from '../../keys/sources/index.ts';
import type { HeldSignatureKey } from '../../schemes/http-signature/index.ts';
import { secretFromFile } from '../secret-input.ts';

/** The HMAC secrets of one service as the verifier holds them: to compare with, never to show. */
export interface HeldKeys {
  readonly live: readonly string[];
  /** 'key 4fTq0ZkP1a was revoked', for those that verify nothing any more. */
  readonly dead: readonly string[];
}

export async function heldKeys(config: StackConfig, store: Store, seal: Seal, service: string): Promise<HeldKeys> {
  const stored = await storedKeys(store, seal, service);
  return { live: [...stored.live, ...(await keysInFiles(config, service))], dead: stored.dead };
}

/** What verifies HTTP signatures of this keyid, as the verifier holds it. */
export async function heldSignatureKeys(
  config: StackConfig,
  store: Store,
  seal: Seal,
  keyid: string,
): Promise<HeldSignatureKey[]> {
  const now = systemClock();
  const held: HeldSignatureKey[] = [];
  for (const { id, service, kind, material, expiresAt, revokedAt } of await store.keys.list()) {
    if ((id !== keyid && service !== keyid) || material === null) continue;
    if (lifeFault({ expiresAt, revoked: revokedAt !== null }, now) !== null) continue;
    if (kind === 'hs') held.push({ kind, secret: seal.open(material, { id, service, kind }) });
    if (kind === 'ed25519') held.push({ kind, publicPem: material });
  }
  const found = await keysInFiles(config, keyid);
  return [...held, ...found.map((secret) => ({ kind: 'hs', secret }) as const)];
}

async function storedKeys(store: Store, seal: Seal, service: string): Promise<HeldKeys> {
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

/** The verifier's reading says which files count; it keeps no secret, so theirs are read once more. */
async function keysInFiles(config: StackConfig, service: string): Promise<string[]> {
  const secrets: string[] = [];
  for (const { pattern } of config.keys.filter((source) => source.kind === 'envFiles')) {
    const source = envFiles({ pattern, onWarning: () => undefined });
    await source.start(() => undefined);
    const found = source.keys().filter((key) => key.kind === 'hs' && key.service === service);
    source.close();
    for (const { credentialId } of found)
      secrets.push(
        secretFromFile(join(dirname(pattern), basename(credentialId.replace(/^env:/, ''))), `a key of ${service}`),
      );
  }
  return secrets;
}

/** '/embeddings' when the target begins with a configured service: what a gateway puts in front of the path. */
export function prefixOf(config: StackConfig, target: string): string | undefined {
  const segment = /^\/([^/?]*)/.exec(target)?.[1];
  return config.services.some(({ name }) => name === segment) ? `/${segment}` : undefined;
}
