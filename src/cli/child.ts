import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
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
  /** One that was begun earlier; otherwise signals are passed on from the start of the program. */
  readonly signals?: SignalRelay;
}

/** From its making on, signals to us do not end us but go to a program, those that came before it was started included. */
export interface SignalRelay {
  to(child: ChildProcess): void;
  stop(): void;
}

const passedOn = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;

export function signalRelay({ stdin }: Invocation): SignalRelay {
  const early: NodeJS.Signals[] = [];
  let target: ChildProcess | null = null;
  const pass = (signal: NodeJS.Signals): void => {
    if (target === null) early.push(signal);
    // From a terminal, the program got these already.
    else if (!stdin.isTerminal || (signal !== 'SIGINT' && signal !== 'SIGQUIT')) target.kill(signal);
  };
  for (const signal of passedOn) process.on(signal, pass);
  return {
    to(child) {
      target = child;
      for (const signal of early.splice(0)) child.kill(signal);
    },
    stop() {
      for (const signal of passedOn) process.removeListener(signal, pass);
    },
  };
}

/** Resolves to the exit code of the program, which gets the signals that we get. We outlive it in every case but our own SIGKILL. */
export async function runChild(
  invocation: Invocation,
  [command = '', ...args]: readonly string[],
  { env, stdio, onText, signals }: ChildOptions,
): Promise<number> {
  const relay = signals ?? signalRelay(invocation);
  const child = spawn(command, args, { stdio, env: { ...env } });
  relay.to(child);
  if (onText) child.stdout?.setEncoding('utf8').on('data', onText);
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return code ?? exitSignalled + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    invocation.out.talk(`countersign: ${command} cannot be started (${codeOf(error)})`);
    return exitNotFound;
  } finally {
    relay.stop();
  }
}
