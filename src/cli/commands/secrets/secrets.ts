import { basename } from 'node:path';
import { randomBase62 } from '../../../crypto/random.ts';
import { recipientFault } from '../../../secrets/age.ts';
import { entriesOf, entryNamed, removeSecret, setSecret, textOf } from '../../../secrets/bundle.ts';
import { withLock } from '../../../secrets/bundle-lock.ts';
import { creationRuleFor } from '../../../secrets/creation-rules.ts';
import { bundlePath, changeBundle, readBundle, saveBundle } from '../../bundle-place.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused } from '../../failure.ts';
import { columns } from '../../output.ts';
import { textFromStdin } from '../../secret-input.ts';
import { recordOutside } from '../../workplace.ts';

/** 43 characters of 62 hold 256 bits. */
const generatedLength = 43;

export async function secretsSet(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const name = invocation.positionals[0] ?? '';
  const value = invocation.flag('generate')
    ? randomBase62(generatedLength)
    : await textFromStdin(invocation, `the secret ${name}`);
  let outcome: ReturnType<typeof setSecret> = 'same';
  await changeBundle(invocation, (file) => {
    outcome = setSecret(file, name, value, invocation.flag('in-clear'));
    return outcome !== 'same';
  });
  if (outcome !== 'same' && !dryRun)
    await recordOutside(invocation, {
      type: 'secret.set',
      subject: name,
      detail: { bundle: bundlePath(invocation), outcome },
    });
  if (invocation.json) out.json({ name, outcome, dry_run: dryRun });
  else out.line(outcome === 'same' ? `unchanged  ${name}` : `${dryRun ? 'would set' : outcome}  ${name}`);
  return EXIT.done;
}

export async function secretsGet(invocation: Invocation): Promise<number> {
  const entry = entryNamed(await readBundle(invocation), invocation.positionals[0] ?? '');
  const value = textOf(entry);
  if (invocation.json) invocation.out.json({ name: entry.name, type: entry.type, value });
  else invocation.out.line(value);
  return EXIT.done;
}

export async function secretsList(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const file = await readBundle(invocation);
  const entries = entriesOf(file);
  if (invocation.json) {
    out.json({
      file: bundlePath(invocation),
      recipients: file.recipients,
      secrets: entries.map(({ name, type, encrypted }) => ({ name, type, encrypted })),
    });
    return EXIT.done;
  }
  const rows = entries.map(({ name, type, encrypted }) => [name, type, encrypted ? 'encrypted' : 'in the clear']);
  if (rows.length === 0) out.talk('The bundle is empty. Put something in: countersign secrets set NAME');
  else for (const line of columns(['NAME', 'TYPE', 'KEPT'], rows, out)) out.line(line);
  out.talk(`opened by ${[...file.recipients, ...file.otherHolders].join(', ')}`);
  return EXIT.done;
}

export async function secretsRemove(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const name = invocation.positionals[0] ?? '';
  await changeBundle(invocation, (file) => {
    removeSecret(file, name);
    return true;
  });
  if (!dryRun)
    await recordOutside(invocation, {
      type: 'secret.removed',
      subject: name,
      detail: { bundle: bundlePath(invocation) },
    });
  if (invocation.json) out.json({ name, removed: !dryRun, dry_run: dryRun });
  else out.line(`${dryRun ? 'would remove' : 'removed'}  ${name}`);
  return EXIT.done;
}

export async function secretsRotate(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const path = bundlePath(invocation);
  const { recipients, added, removed } = await withLock(path, () => encryptAnew(invocation, path));
  if (!dryRun)
    await recordOutside(invocation, { type: 'bundle.rotated', subject: path, detail: { recipients, added, removed } });
  if (invocation.json) out.json({ file: path, recipients, added, removed, dry_run: dryRun });
  else
    out.line(`${dryRun ? 'would encrypt' : 'encrypted'} anew  ${basename(path)}, opened by ${recipients.join(', ')}`);
  if (removed.length > 0)
    out.warn(`${removed.join(', ')} could read every secret until now; replace each of them where it is used`);
  return EXIT.done;
}

interface Recipients {
  readonly recipients: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

async function encryptAnew(invocation: Invocation, path: string): Promise<Recipients> {
  const file = await readBundle(invocation);
  if (file.otherHolders.length > 0)
    throw refused(
      `${basename(path)} is also encrypted for ${file.otherHolders.join(', ')}, for which no new key can be made here`,
      'Use: sops rotate -i FILE',
    );
  const rule = creationRuleFor(path);
  if (rule?.needsSops)
    throw refused(
      `the rule for ${basename(path)} in ${rule.file} names more than age keys, for which no new key can be made here`,
      'Use: sops updatekeys FILE',
    );
  // The list in the file is under no MAC: whoever can write the file would be given the new key.
  if (!rule?.recipients)
    throw refused(
      `no .sops.yaml says who shall be able to open ${basename(path)}, and the list in the file is protected by nothing: ${file.recipients.join(', ')}`,
      `Name those who are to, in .sops.yaml beside it: creation_rules: [{ path_regex: '(^|/)${basename(path)}$', age: 'age1…, age1…' }]`,
    );
  const { recipients } = rule;
  for (const recipient of recipients) {
    const fault = recipientFault(recipient);
    if (fault !== null) throw refused(`${recipient} in ${rule.file}: ${fault}`);
  }
  const removed = file.recipients.filter((recipient) => !recipients.includes(recipient));
  const added = recipients.filter((recipient) => !file.recipients.includes(recipient));
  if (!invocation.dryRun) {
    await file.rekey(recipients);
    saveBundle(path, file);
  }
  return { recipients, added, removed };
}
