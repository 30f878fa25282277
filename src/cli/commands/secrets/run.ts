import { dirname, resolve } from 'node:path';
import { printable } from '../../../core/text/printable.ts';
import { entriesOf, entryNamed, textOf, type Entry } from '../../../secrets/bundle.ts';
import { variableOf, writeSecretFiles } from '../../../secrets/deliver.ts';
import { folderAt, inMemory, memoryFolder, type MemoryFolder } from '../../../secrets/memory-folder.ts';
import type { SopsFile } from '../../../secrets/sops/sops-file.ts';
import { readBundle } from '../../bundle-place.ts';
import { runChild, signalRelay } from '../../child.ts';
import type { Invocation } from '../../command.ts';
import { refused } from '../../failure.ts';
import { withinFolder } from '../../within-folder.ts';

export async function secretsRun(invocation: Invocation): Promise<number> {
  const file = await readBundle(invocation);
  const only = invocation.texts('only');
  const entries = only.length === 0 ? allSecretsOf(file, invocation) : only.map((name) => entryNamed(file, name));
  const shown = invocation.texts('env').map((name) => entryNamed(file, name));
  // Before anything lies anywhere: a signal from here on is the command's, and never keeps the folder from being removed.
  const signals = signalRelay(invocation);
  try {
    return await withinFolder(folderFor(invocation), (folder) => {
      const files = writeSecretFiles(entries, folder);
      // The key to the whole bundle is no part of what the command was given.
      const { SOPS_AGE_KEY: _, ...env } = invocation.env;
      const given = { ...files, SECRETS_DIR: folder, ...environmentOf(shown) };
      return runChild(invocation, invocation.positionals, {
        env: { ...env, ...given },
        stdio: 'inherit',
        signals,
      });
    });
  } finally {
    signals.stop();
  }
}

/**
 * Not what is empty: SOPS neither encrypts it nor has it under the MAC, so whoever can write the bundle can add a password that is
 * none, and there are programs that then ask for none.
 */
function allSecretsOf(file: SopsFile, { out }: Invocation): Entry[] {
  const encrypted = entriesOf(file).filter((entry) => entry.encrypted);
  for (const { name, leaf } of encrypted)
    if (leaf.bytes.length === 0)
      out.warn(`${printable(name)} is empty, which the MAC of the bundle does not cover, and is left out; see --only`);
  return encrypted.filter(({ leaf }) => leaf.bytes.length > 0);
}

function folderFor(invocation: Invocation): MemoryFolder {
  const given = invocation.text('dir');
  if (given === null) return memoryFolder(invocation.env);
  const path = resolve(given);
  if (!inMemory(dirname(path)))
    invocation.out.warn(`${path} is not in memory: the secrets are written to a disk and may be found on it later`);
  return folderAt(path);
}

function environmentOf(entries: readonly Entry[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const value = textOf(entry);
      if (value.includes('\0')) throw refused(`${entry.name} holds a NUL, which no environment variable can`);
      return [variableOf(entry.name), value];
    }),
  );
}
