import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { dirname, resolve } from 'node:path';
import { entriesOf, entryNamed, textOf, type Entry } from '../../secrets/bundle.ts';
import { variableOf, writeSecretFiles } from '../../secrets/deliver.ts';
import { folderAt, inMemory, memoryFolder, type MemoryFolder } from '../../secrets/memory-folder.ts';
import { readBundle } from '../bundle-place.ts';
import type { Invocation } from '../command.ts';
import { codeOf, refused } from '../failure.ts';

/** As a shell has it. */
const exitNotFound = 127;
const exitSignalled = 128;

export async function secretsRun(invocation: Invocation): Promise<number> {
  const file = await readBundle(invocation);
  const only = invocation.texts('only');
  const entries =
    only.length === 0 ? entriesOf(file).filter((entry) => entry.encrypted) : only.map((name) => entryNamed(file, name));
  const shown = invocation.texts('env').map((name) => entryNamed(file, name));
  const folder = folderFor(invocation);
  const clear = (): void => folder.remove();
  process.on('exit', clear);
  try {
    const files = writeSecretFiles(entries, folder.path);
    return await runCommand(invocation, { ...files, SECRETS_DIR: folder.path, ...environmentOf(shown) });
  } finally {
    clear();
    process.removeListener('exit', clear);
  }
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

const passedOn = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;

/** Resolves to the exit code of the command. The folder outlives it in every case but our own SIGKILL. */
async function runCommand(invocation: Invocation, variables: Record<string, string>): Promise<number> {
  const [command = '', ...args] = invocation.positionals;
  // The key to the whole bundle is no part of what the command was given.
  const { SOPS_AGE_KEY: _, ...env } = invocation.env;
  const child = spawn(command, args, { stdio: 'inherit', env: { ...env, ...variables } });
  const pass = (signal: NodeJS.Signals): void => {
    // From a terminal, the command got it already.
    if (invocation.stdin.isTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
    child.kill(signal);
  };
  for (const signal of passedOn) process.on(signal, pass);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? exitSignalled + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    invocation.out.talk(`countersign: ${command} cannot be started (${codeOf(error)})`);
    return exitNotFound;
  } finally {
    for (const signal of passedOn) process.removeListener(signal, pass);
  }
}
