import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Started } from './start.ts';

const run = promisify(execFile);

export async function hasWrk(): Promise<boolean> {
  // wrk prints its version and exits 1.
  return run('wrk', ['-v']).then(
    () => true,
    (error: unknown) => (error as { code?: unknown }).code !== 'ENOENT',
  );
}

interface Load {
  readonly requests: number;
  readonly rate: number;
  /** Microseconds of CPU time a request; NaN where the system does not tell. */
  readonly cpu: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Asks for `path` over so many open connections for so long; rejects when an answer is not 2xx. */
export async function load(started: Started, path: string, open: number, seconds: number): Promise<Load> {
  const { url, key } = started;
  // Every side gets a request of the same size, whether it looks at the credential or not.
  const credential = ['-H', `Authorization: Bearer ${key ?? 'x'.repeat(67)}`];
  const args = ['-t1', `-c${open}`, `-d${seconds}s`, '--latency', ...credential, `${url}${path}`];
  const before = await cpuMicros(started);
  const { stdout } = await run('wrk', args);
  const spent = (await cpuMicros(started)) - before;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${url}${path} failed under load:\n${stdout}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return {
    requests,
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    cpu: spent / requests,
    p50: micros(stdout, '50%'),
    p99: micros(stdout, '99%'),
  };
}

/** wrk writes 61.00us, 1.23ms or 1.02s. */
function micros(text: string, percentile: string): number {
  const [, figure, unit] = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  return Number(figure) * ({ us: 1, ms: 1000, s: 1_000_000 }[unit ?? 'us'] ?? 1);
}

const microsPerTick = 10_000;

/**
 * CPU time of a process so far, of all its threads or of its first one (proc(5): utime and stime are fields 14 and 15, after a
 * name that may hold spaces).
 */
export async function cpuMicros(
  { child: { pid } }: Pick<Started, 'child'>,
  threads: 'all' | 'first' = 'all',
): Promise<number> {
  const file = threads === 'all' ? `/proc/${pid}/stat` : `/proc/${pid}/task/${pid}/stat`;
  const stat = await readFile(file, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * microsPerTick;
}
