import cluster from 'node:cluster';
import type { StackConfig } from '../../compose/config.ts';
import type { Invocation } from '../command.ts';
import { EXIT, usage } from '../failure.ts';
import { readCheckedConfig, readConfigText } from '../workplace.ts';
import { crew } from './crew.ts';
import { ending, graceAfter } from './ending.ts';
import { reloading } from './reload.ts';

export interface WorkersOptions {
  readonly count: number;
  readonly drainMillis: number;
}

/**
 * The first process of several: it accepts connections and hands them to its workers in turn, starts a new one for each that
 * ends unasked, and replaces them one by one when the configuration changes. It serves nothing itself.
 */
export async function serveWithWorkers(
  invocation: Invocation,
  { count, drainMillis }: WorkersOptions,
): Promise<number> {
  const { out, configFile: file } = invocation;
  let text = readConfigText(invocation);
  const { mcpFiles } = await readConfigForWorkers(invocation, text);
  cluster.setupPrimary({ serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const workers = crew({ count, drainMillis, onWarning: (words) => out.warn(words) });
  await workers.start(text);
  const stopFollowing = reloading({
    files: [file, ...mcpFiles],
    load() {
      text = readConfigText(invocation);
      return readConfigForWorkers(invocation, text);
    },
    apply: () => workers.replaceAll(text),
    say: (lines, good) => {
      for (const line of lines) out.talk(good ? line : out.paintTalk('red', line));
    },
  });
  out.talk(`ready, ${count} ${count === 1 ? 'worker' : 'workers'}`);

  const signal = await ending();
  out.talk(`${signal}: finishing what is under way, at most ${drainMillis / 1000} s; once more ends at once.`);
  const atOnce = (): void => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
    process.exit(EXIT.refused);
  };
  process.once('SIGINT', atOnce).once('SIGTERM', atOnce);
  stopFollowing();
  await workers.end(graceAfter(signal));
  out.talk('ended');
  return EXIT.done;
}

/** Throws for what needs one process, when it is started as when it is read anew. */
async function readConfigForWorkers(invocation: Invocation, text: string): Promise<StackConfig> {
  const config = await readCheckedConfig(invocation, { text });
  if (config.store.kind === 'memory')
    throw usage(
      'the store is "memory:", which each worker would have for itself',
      'Name a store, or leave out --workers.',
    );
  // Each session has its process, and each worker would have its own: a client's next request may reach another one.
  const run = config.services.filter(({ command }) => command !== null).map(({ name }) => name);
  if (invocation.text('mcp-config') !== null || run.length > 0)
    throw usage(
      `MCP servers that are run here${run.length > 0 ? ` (${run.join(', ')})` : ''} need one process`,
      'Leave out --workers.',
    );
  return config;
}
