import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { openBundle, writeWhole } from '../secrets/bundle-file.ts';
import { withLock } from '../secrets/bundle-lock.ts';
import { creationRuleFor } from '../secrets/creation-rules.ts';
import { readIdentities } from '../secrets/identities.ts';
import type { SopsFile } from '../secrets/sops/sops-file.ts';
import { systemClock } from '../core/clock.ts';
import type { Invocation } from './command.ts';
import { refused } from './failure.ts';

/** Absolute. Beside the configuration, whether or not there is one. */
export function bundlePath(invocation: Invocation): string {
  const given = invocation.text('file');
  return given === null ? join(dirname(invocation.configFile), 'secrets.sops.yaml') : resolve(given);
}

export async function readBundle(invocation: Invocation): Promise<SopsFile> {
  const path = bundlePath(invocation);
  // Before the key is looked for: without a bundle, there is usually none yet.
  if (!existsSync(path)) throw refused(`there is no bundle at ${path}`, 'Begin one: countersign secrets init');
  const { identities, warnings } = await readIdentities(invocation.env);
  for (const warning of warnings) invocation.out.warn(warning);
  return openBundle(path, identities);
}

/**
 * Opens the bundle for work that changes it, with `save` to write what it has become; no other command writes it meanwhile.
 * Refuses where somebody could read what is written whom the rules do not name.
 */
export async function lockedBundle<T>(
  invocation: Invocation,
  work: (file: SopsFile, save: () => void) => Promise<T>,
): Promise<T> {
  const path = bundlePath(invocation);
  return withLock(path, async () => {
    const file = await readBundle(invocation);
    checkRecipients(invocation, path, file);
    return work(file, () => {
      if (!invocation.dryRun) saveBundle(path, file);
    });
  });
}

/** One change; `change` tells whether anything is to be written. */
export async function changeBundle(
  invocation: Invocation,
  change: (file: SopsFile) => Promise<boolean> | boolean,
): Promise<void> {
  await lockedBundle(invocation, async (file, save) => {
    if (await change(file)) save();
  });
}

export function saveBundle(path: string, file: SopsFile): void {
  writeWhole(path, file.text(systemClock()));
}

/**
 * Whoever can write the file can add a recipient to it, and the MAC does not cover them. A value written then is theirs, too;
 * `.sops.yaml` is where a new recipient is seen and agreed to.
 */
function checkRecipients(invocation: Invocation, path: string, file: SopsFile): void {
  const rule = creationRuleFor(path);
  if (rule === null || rule.recipients === null) return;
  const named = rule.recipients;
  const strangers = file.recipients.filter((recipient) => !named.includes(recipient));
  if (strangers.length > 0)
    throw refused(
      `${basename(path)} can be opened by ${strangers.join(', ')}, whom ${rule.file} does not name; nothing was written`,
      'If that is right, add them there. If not, run `countersign secrets rotate`, and replace the secrets that they could read.',
    );
  const missing = named.filter((recipient) => !file.recipients.includes(recipient));
  if (missing.length > 0)
    invocation.out.warn(`${missing.join(', ')} cannot open ${basename(path)} yet; run: countersign secrets rotate`);
}
