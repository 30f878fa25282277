import { audience } from '../../core/audience.ts';
import { revokedCertificateKind } from '../../core/certificate.ts';
import type { Clock } from '../../core/clock.ts';
import { follow, toRecords } from '../../core/follow.ts';
import { everyRecord } from '../../core/record.ts';
import type { Store } from '../../core/store.ts';

/** Certificates that were ended before their time, by serial. */
export interface RevokedCertificates {
  has(serial: string): boolean;
  /** Told after every change. Returns how to stop. */
  onChange(listener: () => void): () => void;
  /** Since when the list is known to be behind the store, by performance.now(); null while it is level. */
  behindSince(): number | null;
  close(): void;
}

/** Rejects when the store cannot be read; later on what is known stays, and counts as stale. */
export async function revokedCertificates(
  store: Pick<Store, 'records' | 'watch'>,
  clock: Clock,
  onWarning: (text: string) => void,
): Promise<RevokedCertificates> {
  const changed = audience<void>();
  let serials = await read();

  async function read(): Promise<ReadonlySet<string>> {
    return new Set((await everyRecord(store.records, revokedCertificateKind, clock())).map(({ id }) => id));
  }

  const following = follow({
    store,
    concerns: toRecords(revokedCertificateKind),
    async read() {
      serials = await read();
      changed.tell();
    },
    onFailure: (words) => onWarning(`revoked certificates: ${words}; those that are known stay so`),
  });

  return {
    has: (serial) => serials.has(serial),
    onChange: changed.add,
    behindSince: following.behindSince,
    close: following.close,
  };
}
