import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { backupBytesMax, openBackup } from '../../../backup/backup-file.ts';
import { compareStates, type Difference } from '../../../backup/compare.ts';
import { readState } from '../../../backup/read-state.ts';
import { BackupError, type Backup } from '../../../backup/state.ts';
import { requireSeal, writeState } from '../../../backup/write-state.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import { printable } from '../../../core/text/printable.ts';
import { readSecretFile } from '../../../keys/sources/read-secret.ts';
import { writeWhole } from '../../../secrets/bundle-file.ts';
import { identitiesIn, readIdentities } from '../../../secrets/identities.ts';
import { bundlePath } from '../../bundle-place.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused } from '../../failure.ts';
import { sealingOf } from './sealed-records.ts';
import { atWork, type Workplace } from '../../workplace.ts';
import { countsOf, readBundleText, wordsOf } from './backup.ts';

/** How many names a person is shown of each list. */
const namesShown = 10;
const nameLengthMax = 200;

export async function restore(invocation: Invocation): Promise<number> {
  const file = resolve(invocation.positionals[0] ?? '');
  const backup = await readBackupFile(invocation, file);
  return atWork(invocation, async (place) => {
    const verifyOnly = invocation.flag('verify');
    const before = await compared(invocation, place, backup);
    if (verifyOnly) return report(invocation, backup, before, null);
    refuseOthers(invocation, before);
    const sealing = sealingOf(place.config, invocation);
    requireSeal(sealing, before.state.missing);
    if (invocation.dryRun) return report(invocation, backup, null, before);
    await writeState(place.store, sealing, before.state.missing, systemClock());
    if (backup.bundle !== null && before.bundle === 'missing') writeWhole(bundlePath(invocation), backup.bundle);
    const detail = { of: backup.name, made_at: rfc3339(backup.madeAt), added: countsOf(before.state.missing) };
    await place.record({ type: 'backup.restored', subject: file, detail });
    return report(invocation, backup, await compared(invocation, place, backup), before);
  });
}

interface Comparison {
  readonly state: Difference;
  readonly bundle: 'same' | 'missing' | 'different' | 'none';
}

async function compared(invocation: Invocation, { config, store }: Workplace, backup: Backup): Promise<Comparison> {
  const now = systemClock();
  const found = await readState(store, sealingOf(config, invocation), now);
  const there = readBundleText(invocation);
  const bundle = there === null ? 'missing' : there === backup.bundle ? 'same' : 'different';
  return { state: compareStates(backup.state, found, now), bundle: backup.bundle === null ? 'none' : bundle };
}

/** A store with a life of its own is not mixed with another's: nobody could say afterwards what counts. */
function refuseOthers(invocation: Invocation, { state, bundle }: Comparison): void {
  const others = [...state.different, ...state.beyond];
  if (others.length > 0)
    throw refused(
      `the store holds what the backup does not, or holds it otherwise: ${shortened(others)}; nothing was changed`,
      'Name an empty store in the configuration. To compare only: --verify',
    );
  if (bundle === 'different')
    throw refused(
      `${bundlePath(invocation)} is another than the one of the backup; nothing was changed`,
      'Move it away, or restore with a configuration in another folder.',
    );
}

/** `after`: how the store compares now; null when nothing was done. `before`: null when nothing was to be done. */
function report(invocation: Invocation, backup: Backup, after: Comparison | null, before: Comparison | null): number {
  const { out, dryRun } = invocation;
  const wanting = after ? [...after.state.missingNames, ...after.state.different] : [];
  const holds = after !== null && wanting.length === 0 && (after.bundle === 'same' || after.bundle === 'none');
  const bundleWanting = after !== null && !holds && wanting.length === 0;
  const counts = countsOf(backup.state);
  if (invocation.json) {
    out.json({
      name: backup.name,
      made_at: rfc3339(backup.madeAt),
      ...counts,
      added: before === null ? null : countsOf(before.state.missing),
      bundle: (after ?? before)?.bundle,
      verified: after === null ? null : holds,
      missing: after?.state.missingNames ?? [],
      different: after?.state.different ?? [],
      beyond: (after ?? before)?.state.beyond ?? [],
      audit_head: backup.auditHead && {
        sequence: backup.auditHead.sequence,
        time: rfc3339(backup.auditHead.time),
        request_id: backup.auditHead.requestId,
      },
      dry_run: dryRun,
    });
    return after === null || holds ? EXIT.done : EXIT.refused;
  }
  out.line(
    `the backup of ${shownName(backup.name)}, ${rfc3339(backup.madeAt)}: ${wordsOf(counts, backup.bundle !== null)}`,
  );
  if (before !== null)
    out.line(
      `${dryRun ? 'would add' : 'added'}  ${wordsOf(countsOf(before.state.missing), before.bundle === 'missing')}`,
    );
  if (after === null) return EXIT.done;
  if (holds) out.line('verified: the store holds all of it, and every secret opens');
  if (after.state.missingNames.length > 0) out.line(`missing: ${shortened(after.state.missingNames)}`);
  if (after.state.different.length > 0) out.line(`different: ${shortened(after.state.different)}`);
  if (bundleWanting) out.line(`the bundle is ${after.bundle}: ${bundlePath(invocation)}`);
  if (after.state.beyond.length > 0) out.line(`not in the backup: ${shortened(after.state.beyond)}`);
  if (before !== null && holds) out.talk('Revoke anew what you revoked after the backup was made.');
  return holds ? EXIT.done : EXIT.refused;
}

function shortened(names: readonly string[]): string {
  const more = names.length - namesShown;
  return names.slice(0, namesShown).map(shownName).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Whoever knows the public key of a recipient can make a file that opens. */
function shownName(name: string): string {
  return printable(name.length > nameLengthMax ? `${name.slice(0, nameLengthMax)}…` : name);
}

async function readBackupFile(invocation: Invocation, file: string): Promise<Backup> {
  const identities = await identitiesOf(invocation);
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > backupBytesMax) throw refused(`${file} is larger than ${backupBytesMax} bytes, so it is none of ours`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    if (code === 'refused') throw error;
    throw refused(code === 'ENOENT' ? `there is no backup at ${file}` : `${file} cannot be read (${code})`);
  }
  try {
    return await openBackup(text, identities);
  } catch (error) {
    if (error instanceof BackupError) throw refused(`${file}: ${error.message}`);
    throw error;
  }
}

async function identitiesOf(invocation: Invocation): Promise<readonly string[]> {
  const given = invocation.text('identity');
  const warnings: string[] = [];
  let identities: readonly string[];
  if (given === null) {
    const read = await readIdentities(invocation.env);
    identities = read.identities;
    warnings.push(...read.warnings);
  } else {
    const reading = readSecretFile(resolve(given));
    if (!reading.ok) throw refused(`--identity: ${reading.fault}`);
    identities = await identitiesIn(reading.text, given, warnings);
  }
  for (const warning of warnings) invocation.out.warn(warning);
  if (identities.length === 0) throw refused(`there is no age key in ${given}`);
  return identities;
}
