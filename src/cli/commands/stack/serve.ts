import cluster from 'node:cluster';
import type { Invocation } from '../../command.ts';
import { EXIT, usage } from '../../failure.ts';
import { ending, graceAfter } from '../../serve/ending.ts';
import { reloading } from '../../serve/reload.ts';
import { readServeConfig } from '../../serve/serve-config.ts';
import { startServer } from '../../serve/server.ts';
import { sayLost, sayStarted } from '../../serve/started.ts';
import { serveAsWorker } from '../../serve/worker.ts';
import { serveWithWorkers } from '../../serve/workers.ts';

/** Resolves when the server has ended. */
export async function serve(invocation: Invocation): Promise<number> {
  const drainMillis = drainSeconds(invocation) * 1000;
  const workers = workerCount(invocation);
  if (cluster.isWorker && process.connected) return serveAsWorker(invocation, drainMillis);
  if (workers !== null) return serveWithWorkers(invocation, { count: workers, drainMillis });

  const { out } = invocation;
  const config = await readServeConfig(invocation);
  const server = await startServer(invocation, config);
  const stopFollowing = reloading({
    files: [invocation.configFile, ...config.mcpFiles],
    load: () => readServeConfig(invocation),
    apply: (next) => {
      server.stack.reload(next);
      for (const warning of next.warnings) out.warn(warning);
      sayLost(server.stack, invocation);
    },
    say: (lines, good) => {
      for (const line of lines) out.talk(good ? line : out.paintTalk('red', line));
    },
  });
  await sayStarted(server.stack, server.doors, invocation);
  out.talk('ready');

  const signal = await ending();
  out.talk(`${signal}: finishing what is under way, at most ${drainMillis / 1000} s; once more ends at once.`);
  process.once('SIGINT', () => process.exit(EXIT.refused)).once('SIGTERM', () => process.exit(EXIT.refused));
  stopFollowing();
  await server.end(drainMillis, graceAfter(signal));
  out.talk('ended');
  return EXIT.done;
}

function drainSeconds(invocation: Invocation): number {
  const text = invocation.text('drain-seconds') ?? '10';
  if (!/^[0-9]{1,4}$/.test(text)) throw usage(`--drain-seconds is a whole number of seconds, not "${text}"`);
  return Number(text);
}

const workersMax = 256;

/** Null: one process alone, without any other beside it. */
function workerCount(invocation: Invocation): number | null {
  const text = invocation.text('workers');
  if (text === null) return null;
  const count = /^[1-9][0-9]{0,2}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > workersMax)
    throw usage(
      `--workers is a number from 1 to ${workersMax}, not "${text}"; the cores of the machine are a good one`,
    );
  return count;
}
