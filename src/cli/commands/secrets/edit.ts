import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { printable } from '../../../core/text/printable.ts';
import { changesBetween, entriesOf, replaceText, type BundleChanges, type Entry } from '../../../secrets/bundle.ts';
import { memoryFolder } from '../../../secrets/memory-folder.ts';
import { bundlePath, lockedBundle } from '../../bundle-place.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused } from '../../failure.ts';
import { uninterrupted } from '../../uninterrupted.ts';
import { withinFolder } from '../../within-folder.ts';
import { recordOutside } from '../../workplace.ts';
import type { SopsFile } from '../../../secrets/sops/sops-file.ts';

export async function secretsEdit(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const path = bundlePath(invocation);
  const changes = await edited(path, invocation);
  if (changes !== null && !dryRun)
    await recordOutside(invocation, { type: 'bundle.edited', subject: path, detail: { ...changes } });
  if (invocation.json) out.json({ file: path, changed: changes !== null, dry_run: dryRun });
  else out.line(changes === null ? `unchanged  ${path}` : `${dryRun ? 'would change' : 'changed'}  ${path}`);
  return EXIT.done;
}

async function edited(path: string, invocation: Invocation): Promise<BundleChanges | null> {
  return withinFolder(memoryFolder(invocation.env), (folder) =>
    // The editor gets Ctrl-C as well, and what it leaves is to be cleared up.
    uninterrupted(
      () => undefined,
      () =>
        lockedBundle(invocation, async (file, save) => {
          const changes = await editIn(join(folder, basename(path)), file, invocation);
          if (changes !== null) save();
          return changes;
        }),
    ),
  );
}

/** Null when the text was left as it is. What cannot be kept is said, and at a terminal the editor opens again. */
async function editIn(draft: string, file: SopsFile, invocation: Invocation): Promise<BundleChanges | null> {
  const before = file.plainText();
  const entries = entriesOf(file);
  writeFileSync(draft, before, { mode: 0o600, flag: 'wx' });
  for (;;) {
    openEditor(draft, invocation);
    const text = readFileSync(draft, 'utf8');
    if (text === before) return null;
    try {
      replaceText(file, text);
      const after = entriesOf(file);
      const changes = changesBetween(entries, after);
      warnOfClear(changes, after, invocation);
      return changes;
    } catch (error) {
      if (codeOf(error) === null) throw error;
      const fault = `${basename(draft)} cannot be kept: ${(error as Error).message}`;
      if (!invocation.stdin.isTerminal) throw refused(`${fault}; nothing was changed`);
      invocation.out.talk(fault);
      await anotherTry();
    }
  }
}

/** The rule stands in the file itself and is under no MAC: whoever can write the file can have new names left in the clear. */
function warnOfClear({ added }: BundleChanges, entries: readonly Entry[], { out }: Invocation): void {
  const clear = entries.filter(({ name, encrypted }) => !encrypted && added.includes(name));
  for (const { name } of clear)
    out.warn(`${printable(name)} stands in the clear: by its rule this file does not encrypt that name`);
}

function openEditor(draft: string, { env }: Invocation): void {
  const editor = env['VISUAL'] || env['EDITOR'] || 'vi';
  // By way of the shell, as git does: an editor may be written with options.
  const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', draft], { stdio: 'inherit' });
  if (error || status !== 0)
    throw refused(`the editor (${editor}) ended with ${error ? codeOf(error) : status}; nothing was changed`);
}

function anotherTry(): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve, reject) => {
    lines.on('SIGINT', () => lines.close());
    lines.on('close', () => reject(refused('nothing was changed')));
    lines.question('Enter to go on editing, Ctrl-C to give up: ', () => {
      resolve();
      lines.close();
    });
  });
}
