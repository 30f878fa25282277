import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mintKey } from '../../crypto/key-format.ts';
import type { Stage } from './stage.ts';

/** What the callers of the demonstration hold; all but the wrong one come from the real commands. */
export interface Credentials {
  readonly right: IssuedKey;
  /** Never issued by anybody, but well formed: a guess. */
  readonly wrong: string;
  readonly expired: IssuedKey;
  readonly revoked: IssuedKey;
  /** Right, but of a service that the route does not let in. */
  readonly ofAnother: IssuedKey;
  /** For service signatures. */
  readonly hmac: IssuedKey;
  readonly token: string;
  readonly revokedToken: string;
}

export interface IssuedKey {
  readonly id: string;
  readonly key: string;
  readonly expires_at: string | null;
}

interface IssuedToken {
  readonly token: string;
  readonly token_id: string;
}

export const caller = 'hybrid-coordinator';

export async function issueCredentials(stage: Stage): Promise<Credentials> {
  async function issue<T>(...args: string[]): Promise<T> {
    const { stdout } = await stage.countersign([...args, '--output', 'json']);
    return JSON.parse(stdout) as T;
  }
  const key = (...args: string[]): Promise<IssuedKey> => issue<IssuedKey>('keys', 'create', ...args);
  const token = (client: string): Promise<IssuedToken> => issue<IssuedToken>('tokens', 'create', '--client', client);

  const [expired, right, revoked, ofAnother, hmac, good, bad] = await Promise.all([
    key(caller, '--expires', '1s'),
    key(caller),
    key(caller),
    key('npu-worker'),
    key(caller, '--kind', 'hs'),
    token('alice'),
    token('mallory'),
  ]);
  await Promise.all([
    stage.countersign(['keys', 'revoke', revoked.id]),
    stage.countersign(['tokens', 'revoke', bad.token_id]),
  ]);
  // The coordinator calls embeddings through the gateway with the key of its own.
  writeFileSync(join(stage.folder, 'coordinator.key'), `${right.key}\n`, { mode: 0o600 });
  return {
    right,
    wrong: mintKey('sk').key,
    expired,
    revoked,
    ofAnother,
    hmac,
    token: good.token,
    revokedToken: bad.token,
  };
}

/** Resolves when the key's short life is over. Times are written in whole seconds, rounded down. */
export async function expiry({ expires_at: end }: IssuedKey): Promise<void> {
  const left = Date.parse(end ?? '') + 1000 - Date.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}
