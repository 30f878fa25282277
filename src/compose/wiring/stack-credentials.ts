import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';
import { keyring, type LiveKeyring } from '../../keys/keyring/keyring.ts';
import { liveness, type Liveness } from '../../keys/liveness.ts';
import type { KeySource } from '../../keys/sources/index.ts';
import { tokens, type Tokens } from '../../keys/tokens/tokens.ts';
import type { StackConfig } from '../config.ts';
import { configuredSources, type ConfiguredSources } from './key-sources.ts';
import type { Releases } from './releases.ts';
import { revokedCertificates, type RevokedCertificates } from './revoked-certificates.ts';
import type { Reader } from './staleness.ts';
import { tokenIssuers, type TokenIssuers } from './token-issuers.ts';

/** Every kind of credential that a stack accepts, held in memory and followed where it comes from. */
export interface StackCredentials {
  readonly keyring: LiveKeyring;
  /** Key files and the like, as the configuration names them. */
  readonly sources: ConfiguredSources;
  readonly tokens: Tokens;
  readonly issuers: TokenIssuers;
  readonly revokedCertificates: RevokedCertificates;
  readonly liveness: Liveness;
}

export interface StackCredentialsOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly clock: Clock;
  /** The configuration in force. */
  readonly config: () => StackConfig;
  /** Sources of keys besides those of the configuration. */
  readonly sources?: readonly KeySource[];
  readonly warn: (text: string) => void;
  readonly opened: Releases;
  /** Told of everything that may fall behind the store. */
  readonly follow: (reader: Reader) => void;
}

/** Rejects when the store cannot be read. */
export async function stackCredentials(options: StackCredentialsOptions): Promise<StackCredentials> {
  const { store, seal, clock, config, sources: more = [], warn, opened, follow } = options;
  const sources = configuredSources({ config, onWarning: warn });
  const keys = await keyring({ store, seal, sources: [sources, ...more], clock, onWarning: warn });
  opened.add(() => keys.close());
  follow(keys);
  const elsewhere = more.find((source) => source.sessions !== undefined)?.sessions;
  const sessions = tokens({ store: elsewhere ?? store, clock });
  opened.add(() => sessions.close());
  const issuers = await tokenIssuers({ config: config().oauth, store, clock, onWarning: warn });
  opened.add(() => issuers.close());
  if (issuers.own) follow(issuers.own);
  const revoked = await revokedCertificates(store, clock, warn);
  opened.add(() => revoked.close());
  follow(revoked);
  const lives = liveness({ keyring: keys, tokens: sessions, issued: issuers.own, clock, certificates: revoked });
  opened.add(() => lives.close());
  return { keyring: keys, sources, tokens: sessions, issuers, revokedCertificates: revoked, liveness: lives };
}
