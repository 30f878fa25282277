import type { Keyring } from '../core/credential.ts';

/** Every key source in one index. Sources load before `ready` resolves; what changes later is followed. */
export interface LiveKeyring extends Keyring {
  /** True once any API key, HMAC secret or public key is known. */
  readonly size: number;
  /** Whether this credential would still be accepted; by the credentialId of its principal. */
  isLive(credentialId: string): boolean;
  /** Told after every change, so that open streams can be checked. Returns how to stop. */
  onChange(listener: () => void): () => void;
  /** For metrics: service, credential id and end of every key that ends. */
  expiries(): { service: string; credentialId: string; expiresAt: number }[];
  /** What the operator should know: a file with wrong permissions, one that matches no service. */
  readonly warnings: readonly string[];
  close(): void;
}
