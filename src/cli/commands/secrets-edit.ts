import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { replaceText } from '../../secrets/bundle.ts';
import { memoryFolder } from '../../secrets/memory-folder.ts';
import { bundlePath, changeBundle } from '../bundle-place.ts';
import type { Invocation } from '../command.ts';
import { codeOf, EXIT, refused } from '../failure.ts';
import { uninterrupted } from '../uninterrupted.ts';
import type { SopsFile } from '../../secrets/sops/sops-file.ts';

export async function secretsEdit(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const path = bundlePath(invocation);
  const folder = memoryFolder(invocation.env);
  const clear = (): void => folder.remove();
  process.on('exit', clear);
  try {
    let changed = false;
    // The editor gets Ctrl-C as well, and what it leaves is to be cleared up.
    await uninterrupted(
      () => undefined,
      () =>
        changeBundle(invocation, async (file) => {
          changed = await editIn(join(folder.path, basename(path)), file, invocation);
          return changed;
        }),
    );
    if (invocation.json) out.json({ file: path, changed, dry_run: dryRun });
    else out.line(changed ? `${dryRun ? 'would change' : 'changed'}  ${path}` : `unchanged  ${path}`);
    return EXIT.done;
  } finally {
    clear();
    process.removeListener('exit', clear);
  }
}

/** True when the text was changed. What cannot be kept is said, and at a terminal the editor opens again. */
async function editIn(draft: string, file: SopsFile, invocation: Invocation): Promise<boolean> {
  const before = file.plainText();
  writeFileSync(draft, before, { mode: 0o600, flag: 'wx' });
  for (;;) {
    openEditor(draft, invocation);
    const text = readFileSync(draft, 'utf8');
    if (text === before) return false;
    try {
      replaceText(file, text);
      return true;
    } catch (error) {
      if (!invocation.stdin.isTerminal || codeOf(error) === null) throw error;
      invocation.out.talk(`This cannot be kept: ${(error as Error).message}`);
      await anotherTry();
    }
  }
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
