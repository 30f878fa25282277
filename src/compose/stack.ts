import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../core/clock.ts';
import type { Guard } from '../core/guard.ts';
import type { Scheme } from '../core/scheme.ts';
import type { Store } from '../core/store.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Liveness } from '../keys/liveness.ts';
import type { LiveKeyring } from '../keys/keyring.ts';
import type { Tokens } from '../keys/tokens.ts';
import type { AttemptGate } from '../policies/attempts.ts';
import type { Modes } from '../rollout/modes.ts';
import type { ServiceConfig, StackConfig } from './config.ts';

/** Everything that one running stack shares, wired: the gateway and the authority are given this and nothing else. */
export interface Stack {
  /** The configuration in force; replaced as a whole by reload. */
  readonly config: StackConfig;
  readonly clock: Clock;
  readonly store: Store;
  readonly guard: Guard;
  /** Judges Bearer tokens and API keys outside service routes: /auth, /metrics, /mcp. */
  readonly bearerSchemes: readonly Scheme[];
  readonly keyring: LiveKeyring;
  readonly tokens: Tokens;
  readonly liveness: Liveness;
  readonly modes: Modes;
  readonly audit: Audit;
  readonly admin: AdminAccess;
  /** Seals HMAC secrets that are created here. */
  readonly seal: Seal;
  /** Of this program, as in package.json. */
  readonly version: string;
  /** True when unauthenticated requests pass (--allow-unauthenticated): every response says so. */
  readonly devMode: boolean;
  service(name: string): ServiceConfig | null;
  /** The upstream's own key, read from the service's `upstreamKey.file` and kept fresh; null when it has none or it cannot be read. */
  upstreamKey(service: string): string | null;
  /** Takes effect at once for routes, services and modes; throws when the new configuration needs a restart, saying why. */
  reload(config: StackConfig): void;
  close(): Promise<void>;
}

export interface AdminAccess {
  /** True when an admin token is configured; without one nothing is an admin. */
  readonly configured: boolean;
  /** Compares in constant time. Counting failures is the attempt gate's business. */
  isAdminToken(presented: string): boolean;
  readonly attempts: AttemptGate;
}
