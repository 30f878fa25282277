import { rfc3339, systemClock } from '../../../core/clock.ts';
import type { KeyRecord } from '../../../core/credential.ts';
import { shellWord } from '../../../core/text/shell-word.ts';
import { printable } from '../../../core/text/printable.ts';
import { lineageOf } from '../../../keys/lineage.ts';
import { inWords } from '../../duration.ts';
import type { Invocation } from '../../command.ts';
import { EXIT } from '../../failure.ts';
import { columns } from '../../output.ts';
import { atUrgentWork, atWork } from '../../workplace.ts';
import { details, faultOf, lastUse, shown, stateCell, useCell, type Around } from './views.ts';

export async function keysList(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [service] = invocation.positionals;
  const now = systemClock();
  return atUrgentWork(invocation, async ({ store }) => {
    const all = await store.keys.list();
    const around: Around = { lineage: lineageOf(all, now), uses: await store.usage.list(), now };
    const records = all
      .filter((record) => service === undefined || record.service === service)
      .filter((record) => invocation.flag('all') || faultOf(record, now) === null);
    if (invocation.json) {
      out.json(records.map((record) => ({ ...shown(record), ...details(record, around) })));
      return EXIT.done;
    }
    if (records.length === 0) {
      const whose = service === undefined ? '' : ` of ${printable(service)}`;
      out.talk(
        invocation.flag('all')
          ? `There are no keys${whose}.`
          : `There are no active keys${whose}. Make one: countersign keys create ${service === undefined ? 'SERVICE' : shellWord(service)}`,
      );
      return EXIT.done;
    }
    const rows = records.map((record) => [
      record.id,
      record.service,
      record.kind,
      `…${record.lastFour}`,
      rfc3339(record.createdAt),
      stateCell(record, around),
      useCell(lastUse(record, around.uses), now),
      [...record.scopes, ...record.allowedIps.map((cidr) => `from ${cidr}`)].join(' '),
    ]);
    const head = ['ID', 'SERVICE', 'KIND', 'LAST 4', 'CREATED', 'STATE', 'LAST USED', 'LIMITED TO'];
    for (const line of columns(head, rows, out)) out.line(line);
    for (const record of records)
      if (around.lineage.stageOf(record) === 'previous') sayPrevious(record, around, invocation);
    return EXIT.done;
  });
}

/** Who still uses a key that was replaced is whom the operator has to look after. */
function sayPrevious(record: KeyRecord, { uses, now }: Around, { out }: Invocation): void {
  const use = lastUse(record, uses);
  const used = use ? `last used ${useCell(use, now)}` : 'not seen in use';
  const ends = record.expiresAt === null ? 'it has no end' : `it ends in ${inWords(record.expiresAt - now)}`;
  out.talk(
    `old key ${record.id} of ${record.service} ${used}; ${ends}. When nobody needs it: countersign keys retire ${record.id}`,
  );
}

/** All that is known of keys but what opens something: for audits, and for moving to another store. */
export async function keysExport(invocation: Invocation): Promise<number> {
  const now = systemClock();
  return atWork(invocation, async ({ config, store }) => {
    const all = await store.keys.list();
    const around: Around = { lineage: lineageOf(all, now), uses: await store.usage.list(), now };
    invocation.out.json({
      stack: config.name,
      exported_at: rfc3339(now),
      keys: all.map((record) => ({
        ...shown(record),
        ...details(record, around),
        digest: record.digest,
        ...(record.kind === 'ed25519' && { public_key: record.material }),
        uses: around.uses
          .filter(({ credentialId }) => credentialId === record.id)
          .map(({ caller, clientAddress, firstUsed, lastUsed, count }) => ({
            by: caller,
            from: clientAddress,
            first_used: rfc3339(firstUsed),
            last_used: rfc3339(lastUsed),
            count,
          })),
      })),
      revoked_digests: await store.keys.revocations(),
    });
    return EXIT.done;
  });
}
