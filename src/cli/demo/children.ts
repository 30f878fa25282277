import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { refused } from '../failure.ts';

export interface Started {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Every process that the demonstration starts, so that none outlives it. */
export interface Children {
  /** Starts a server. Its output is kept, to be shown when it does not come up. */
  start(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Server;
  /** Runs a command to its end. */
  run(args: readonly string[], stdin?: string): Promise<Started>;
  close(): Promise<void>;
}

export interface Server {
  readonly name: string;
  /** Resolves when the URL answers with anything; rejects when the process ends before that, with what it said. */
  answers(url: string): Promise<void>;
}

const killMillis = 3000;
const patienceMillis = 60_000;

/** All run this very Node, in `folder`, with none of the user's own settings. */
export function children(folder: string): Children {
  const running = new Set<ChildProcess>();
  const base = plainEnvironment();
  let closed = false;

  function launch(
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    stdin: 'ignore' | 'pipe',
  ): ChildProcess {
    if (closed) throw refused('the demonstration has ended');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
      cwd: folder,
      env: { ...base, ...env },
      stdio: [stdin, 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('close', () => running.delete(child));
    return child;
  }

  return {
    start(name, args, env) {
      const child = launch(args, env, 'ignore');
      const said = collect(child);
      return { name, answers: (url) => untilAnswered(url, child, name, () => said.stderr || said.stdout) };
    },
    async run(args, stdin) {
      const child = launch(args, {}, stdin === undefined ? 'ignore' : 'pipe');
      const said = collect(child);
      child.stdin?.on('error', () => undefined).end(stdin);
      const [code] = (await once(child, 'close')) as [number | null];
      return { ...said, code };
    },
    async close() {
      closed = true;
      await Promise.all([...running].map(end));
    },
  };
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    // The latest is enough: an error is said last.
    child[name]?.setEncoding('utf8').on('data', (text: string) => (said[name] = (said[name] + text).slice(-16_384)));
  }
  return said;
}

async function untilAnswered(url: string, child: ChildProcess, name: string, said: () => string): Promise<void> {
  const deadline = Date.now() + patienceMillis;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw refused(`${name} ended before it was ready:\n${said().trim()}`);
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    await answer?.body?.cancel();
    if (answer) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw refused(`${name} did not answer at ${url} within ${patienceMillis / 1000} s`);
}

async function end(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const hard = setTimeout(() => child.kill('SIGKILL'), killMillis);
  await closed;
  clearTimeout(hard);
}

/** AUTH_ENABLED and the like of the user's own shell would change what is shown; what was compiled is not compiled again. */
function plainEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'NODE_COMPILE_CACHE'];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/** So many different free ports of loopback. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
