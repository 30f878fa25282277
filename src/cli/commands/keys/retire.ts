import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import type { KeyRecord } from '../../../core/credential.ts';
import { hasCode, type Store } from '../../../core/store.ts';
import { lineageOf } from '../../../keys/lineage.ts';
import { keyAct } from '../../../keys/key-act.ts';
import { retirable, retireKey } from '../../../keys/rotation/retire.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds, inWords } from '../../duration.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { atWork, type Workplace } from '../../workplace.ts';
import { shown } from './views.ts';

export async function keysRetire(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [id = ''] = invocation.positionals;
  const force = invocation.flag('force');
  const inText = invocation.text('in');
  if (inText !== null && invocation.text('unused-for') !== null)
    throw usage('--in sets an end whoever uses the key: leave out --unused-for');
  const unusedSeconds = durationSeconds(invocation.text('unused-for') ?? '24h', 'unused-for');
  const later = inText === null ? null : durationSeconds(inText, 'in');
  return atWork(invocation, async ({ store, record: taken }) => {
    const now = systemClock();
    if (later !== null) return endLater(store, id, now + later, invocation, taken);
    const options = { store, now, unusedSeconds, force };
    if (invocation.dryRun) {
      const record = await retirable(id, options).catch(explained);
      if (invocation.json) out.json({ ...shown(record), retired: false, revoked_at: rfc3339OrNull(record.revokedAt) });
      else out.line(`would retire  key ${record.id} of ${record.service}`);
      return EXIT.done;
    }
    const { record, already } = await retireKey(id, options).catch(explained);
    if (!already) await taken(keyAct('key.retired', record, { forced: force }));
    if (invocation.json)
      out.json({ ...shown(record), retired: true, already, revoked_at: rfc3339OrNull(record.revokedAt) });
    else out.line(`${already ? 'was ended already' : 'retired'}  key ${record.id} of ${record.service}`);
    return EXIT.done;
  });
}

function explained(error: unknown): never {
  if (!hasCode(error, 'key_in_use') || !(error instanceof Error)) throw error;
  throw refused(
    error.message,
    'See `countersign keys list`. A shorter time without use: --unused-for 1h. To end it whoever uses it: --force',
  );
}

/** The end of a key that was replaced, sooner or later than it was. */
async function endLater(
  store: Store,
  id: string,
  expiresAt: number,
  invocation: Invocation,
  taken: Workplace['record'],
): Promise<number> {
  const { out } = invocation;
  const now = systemClock();
  const records = await store.keys.list();
  const before = records.find((one) => one.id === id);
  if (!before) throw refused(`there is no key with the id "${id}"`, 'See `countersign keys list --all`.');
  if (before.revokedAt !== null) throw refused(`key ${id} of ${before.service} was revoked, which is for good`);
  if (lineageOf(records, now).stageOf(before) === 'current' && !invocation.flag('force'))
    throw refused(
      `key ${id} is the current one of ${before.service}, and nothing replaces it`,
      `Replace it first: countersign keys rotate ${id}. To end it all the same: --force`,
    );
  const record: KeyRecord = invocation.dryRun
    ? { ...before, expiresAt }
    : ((await store.keys.setExpiry(id, expiresAt)) ?? before);
  if (!invocation.dryRun) await taken(keyAct('key.end_set', record));
  if (invocation.json) out.json({ ...shown(record), retired: false, revoked_at: null });
  else
    out.line(
      `${invocation.dryRun ? 'would end' : 'ends'}  key ${id} of ${record.service} at ${rfc3339(expiresAt)} (in ${inWords(expiresAt - now)})`,
    );
  return EXIT.done;
}
