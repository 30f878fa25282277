import type { Clock } from '../../core/clock.ts';
import { StoreError, type Store } from '../../core/store.ts';
import { nonces, type HttpSignatureOptions } from '../../schemes/http-signature/index.ts';
import type { StackConfig } from '../config.ts';

export interface NonceOnceOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** The configuration in force: it says how long a signature is good for. */
  readonly config: () => StackConfig;
}

/** Ten thousand signed requests a second for as long as the usual signature is good. */
const capacity = 1_000_000;

/**
 * Where the nonces of HTTP signatures are remembered: in the store, which all processes of a stack share, or with a memory
 * store in tables of this process, which take a sixth of the room. One for all services, and it outlives a reload.
 */
export function nonceOnce({ store, clock, config }: NonceOnceOptions): HttpSignatureOptions['once'] {
  if (store.kind !== 'memory')
    return (credentialId, nonce, expiresAt) =>
      store.limits.once(`http-signature:${credentialId}\n${nonce}`, expiresAt, clock());
  let measured: StackConfig | null = null;
  let life = 0;
  function lifeSeconds(): number {
    const inForce = config();
    if (inForce !== measured) life = longestLife(inForce);
    measured = inForce;
    return life;
  }
  const seen = nonces({ lifeSeconds, capacity });
  return (credentialId, nonce) => {
    const use = seen.use(credentialId, nonce, clock());
    if (use === 'full')
      throw new StoreError('store_unavailable', `${capacity} nonces are remembered, and none is forgotten early`);
    return use === 'fresh';
  };
}

function longestLife({ services }: StackConfig): number {
  return Math.max(1, ...services.map(({ signature }) => signature.ageSeconds + signature.skewSeconds));
}
