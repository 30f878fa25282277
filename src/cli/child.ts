import { spawn, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { codeOf } from './failure.ts';
import type { Invocation } from './command.ts';

/** As a shell has it. */
export const exitNotFound = 127;
const exitSignalled = 128;

export interface ChildOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdio: StdioOptions;
  /** Called with what it writes to standard output, where `stdio` makes that a pipe. */
  readonly onText?: (text: string) => void;
}

const passedOn = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;

/** Resolves to the exit code of the program, which gets the signals that we get. We outlive it in every case but our own SIGKILL. */
export async function runChild(
  invocation: Invocation,
  [command = '', ...args]: readonly string[],
  { env, stdio, onText }: ChildOptions,
): Promise<number> {
  const child = spawn(command, args, { stdio, env: { ...env } });
  if (onText) child.stdout?.setEncoding('utf8').on('data', onText);
  const pass = (signal: NodeJS.Signals): void => {
    // From a terminal, the command got it already.
    if (invocation.stdin.isTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
    child.kill(signal);
  };
  for (const signal of passedOn) process.on(signal, pass);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return code ?? exitSignalled + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    invocation.out.talk(`countersign: ${command} cannot be started (${codeOf(error)})`);
    return exitNotFound;
  } finally {
    for (const signal of passedOn) process.removeListener(signal, pass);
  }
}
