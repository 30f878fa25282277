import { revokedCertificateKind } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import { recordsListedMax } from '../core/record.ts';
import type { Store } from '../core/store.ts';

/** Certificates that were ended before their time, by serial. */
export interface RevokedCertificates {
  has(serial: string): boolean;
  /** Told after every change. Returns how to stop. */
  onChange(listener: () => void): () => void;
  /** Since when the list is known to be behind the store, by performance.now(); null while it is level. */
  behindSince(): number | null;
  close(): void;
}

const retryMillis = 1000;

/** Rejects when the store cannot be read; later on what is known stays, and counts as stale. */
export async function revokedCertificates(
  store: Pick<Store, 'records' | 'watch'>,
  clock: Clock,
  onWarning: (text: string) => void,
): Promise<RevokedCertificates> {
  const listeners = new Set<() => void>();
  let serials = await read();
  let behindSince: number | null = null;
  let reading = false;
  let again = false;
  let closed = false;
  let told = '';
  let retry: NodeJS.Timeout | null = null;

  async function read(): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (let after = ''; ;) {
      const page = await store.records.list(revokedCertificateKind, clock(), { after });
      for (const { id } of page) found.add(id);
      const last = page.at(-1);
      if (!last || page.length < recordsListedMax) return found;
      after = last.id;
    }
  }

  async function follow(): Promise<void> {
    again = true;
    if (reading || closed) return;
    reading = true;
    if (retry) clearTimeout(retry);
    try {
      while (again) {
        again = false;
        serials = await read();
      }
      behindSince = null;
      told = '';
      for (const listener of listeners) listener();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (words !== told) onWarning(`revoked certificates: ${words}; those that are known stay so`);
      told = words;
      retry = setTimeout(() => void follow(), retryMillis).unref();
    } finally {
      reading = false;
    }
  }

  const stop = store.watch((change) => {
    if (
      change.topic !== 'resync' &&
      !(change.topic === 'records' && change.id.startsWith(`${revokedCertificateKind}/`))
    )
      return;
    behindSince ??= performance.now();
    void follow();
  });
  // A change between the first reading and the watch would otherwise go unseen.
  void follow();

  return {
    has: (serial) => serials.has(serial),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    behindSince: () => behindSince,
    close() {
      closed = true;
      stop();
      if (retry) clearTimeout(retry);
    },
  };
}
