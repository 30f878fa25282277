import { hostname } from 'node:os';
import type { KeeperOptions } from '../../certificates/kept-files.ts';
import type { Stack } from '../../compose/stack.ts';
import { rfc3339 } from '../../core/clock.ts';
import { lease } from '../../core/lease.ts';
import { hasCode } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import { uuid } from '../../crypto/random.ts';
import { rounds, type Rounds } from './rounds.ts';

export interface CertificateDutiesOptions {
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
}

const leaseSeconds = 20;
const lookMillis = 60_000;

/**
 * Keeps the certificates of the configuration in their files, renewed before they end. Resolves when what was due at first has
 * been done, since listeners may be about to read it.
 */
export async function certificateDuties(stack: Stack, { say, warn }: CertificateDutiesOptions): Promise<Rounds> {
  const { store, clock } = stack;
  // The files are this machine's: of several processes on it one looks after them.
  const turn = lease({
    records: store.records,
    name: `certificates-${hostname().replace(/[^\x21-\x7e]/g, '-')}`,
    holder: uuid(),
    seconds: leaseSeconds,
  });
  let complaints: ReadonlySet<string> = new Set();

  async function renewAll(keeper: KeeperOptions): Promise<string[]> {
    const { dueReason, renewInto, writeBundle } = await import('../../certificates/kept-files.ts');
    const found: string[] = [];
    for (const kept of stack.config.certificates) {
      try {
        const reason = await dueReason(kept, keeper);
        if (reason === null) {
          await writeBundle(kept, keeper.ca);
          continue;
        }
        const { serial, notAfter } = await renewInto(kept, keeper);
        say(`the certificate of ${kept.service} was renewed (${reason}); it is valid until ${rfc3339(notAfter)}`);
        void stack.trail.record({
          type: 'certificate.issued',
          subject: serial,
          detail: { service: kept.service, expires_at: rfc3339(notAfter) },
        });
      } catch (error) {
        if (hasCode(error, 'store_unavailable')) throw error;
        found.push(`the certificate of ${kept.service} is due: ${messageOf(error)}`);
      }
    }
    return found;
  }

  async function look(): Promise<void> {
    if (stack.config.certificates.length === 0) return;
    try {
      if (!(await turn.take(clock()))) return;
      // Loaded only where certificates are made.
      const { internalCa } = await import('../../certificates/internal-ca.ts');
      const ca = internalCa({ records: store.records, seal: () => stack.seal, clock });
      const found = await renewAll({ ca, records: store.records, clock });
      for (const words of found) if (!complaints.has(words)) warn(words);
      complaints = new Set(found);
      await turn.release(clock());
    } catch (error) {
      if (!hasCode(error, 'store_unavailable')) warn(`certificates could not be looked after: ${messageOf(error)}`);
    }
  }

  await look();
  return rounds(look, lookMillis);
}
