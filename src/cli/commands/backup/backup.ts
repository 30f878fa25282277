import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { sealBackup } from '../../../backup/backup-file.ts';
import { readAuditHead, readState } from '../../../backup/read-state.ts';
import { backupVersion, type Backup, type State } from '../../../backup/state.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import { messageOf } from '../../../core/message-of.ts';
import { sha256Hex } from '../../../crypto/digest.ts';
import { recipientFault } from '../../../secrets/age.ts';
import { writeWhole } from '../../../secrets/bundle-file.ts';
import { creationRuleFor } from '../../../secrets/creation-rules.ts';
import { bundlePath } from '../../bundle-place.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused, usage } from '../../failure.ts';
import { sealingOf } from './sealed-records.ts';
import { atWork, type Workplace } from '../../workplace.ts';

export async function backup(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const file = resolve(invocation.positionals[0] ?? '');
  const recipients = recipientsOf(invocation);
  if (existsSync(file)) throw refused(`${file} is there already and was left alone`, 'Name another file.');
  const { made, text } = await atWork(invocation, async (place) => {
    const read = await readBackup(invocation, place);
    const sealed = await sealBackup(read, recipients);
    if (dryRun) return { made: read, text: sealed };
    write(file, sealed);
    await place.record({ type: 'backup.made', subject: file, detail: { recipients, sha256: sha256Hex(sealed) } });
    return { made: read, text: sealed };
  });
  const counts = countsOf(made.state);
  if (invocation.json) {
    const made_at = rfc3339(made.madeAt);
    const sha256 = dryRun ? null : sha256Hex(text);
    out.json({ file, sha256, recipients, made_at, ...counts, bundle: made.bundle !== null, dry_run: dryRun });
    return EXIT.done;
  }
  out.line(`${dryRun ? 'would write' : 'wrote'}  ${file}`);
  out.line(wordsOf(counts, made.bundle !== null));
  out.line(`for ${recipients.join(', ')}`);
  if (!dryRun) out.talk(`Note its digest apart from it, to know it again: sha256 ${sha256Hex(text)}`);
  return EXIT.done;
}

function write(file: string, sealed: string): void {
  try {
    writeWhole(file, sealed, 0o600);
  } catch (error) {
    const hint = `Is ${dirname(file)} there, yours to write to, and with room left?`;
    throw refused(`${file} cannot be written (${codeOf(error) ?? messageOf(error)})`, hint);
  }
}

async function readBackup(invocation: Invocation, { config, store }: Workplace): Promise<Backup> {
  const madeAt = systemClock();
  // First: what is decided while the state is read is behind the head, as it must be.
  const auditHead = await readAuditHead(store);
  const state = await readState(store, sealingOf(config, invocation), madeAt);
  const bundle = readBundleText(invocation);
  const about = { format: 'countersign-backup', version: backupVersion, name: config.name, madeAt } as const;
  return { ...about, state, auditHead, bundle };
}

/** Null where there is none. */
export function readBundleText(invocation: Invocation): string | null {
  const path = bundlePath(invocation);
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

function recipientsOf(invocation: Invocation): readonly string[] {
  const given = [...new Set(invocation.texts('recipient'))];
  for (const recipient of given) {
    const fault = recipientFault(recipient);
    if (fault !== null) throw usage(`--recipient: ${fault}`);
  }
  if (given.length > 0) return given;
  const rule = creationRuleFor(bundlePath(invocation));
  if (rule?.recipients && rule.recipients.length > 0) return rule.recipients;
  throw usage(
    'nobody is named who could open it',
    'Name an age key with --recipient age1…, or make one with `countersign secrets init`.',
  );
}

export type Counts = { readonly [K in keyof State]: number };

export function countsOf({ keys, revocations, tokens, modes, records, uses }: State): Counts {
  return {
    keys: keys.length,
    revocations: revocations.length,
    tokens: tokens.length,
    modes: modes.length,
    records: records.length,
    uses: uses.length,
  };
}

export function wordsOf(counts: Counts, bundle: boolean): string {
  const words = Object.entries(counts).map(([name, count]) => `${count} ${count === 1 ? name.slice(0, -1) : name}`);
  return [...words, bundle ? 'the bundle' : 'no bundle'].join(', ');
}
