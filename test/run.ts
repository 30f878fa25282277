/**
 * The whole check, as `npm test` runs it: formatting, lint and types first, since they are quick and their findings explain
 * others; then every test, files in parallel. Stops at the first station that fails.
 *
 * With arguments only those test files run: npm test -- src/core/target.test.ts
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const named = process.argv.slice(2);

/** In milliseconds. The runner names the files that still run when it is told to end, and one that hangs would run forever. */
const stationTimeout = 40 * 60_000;

/**
 * Every test file, and every command that one starts, reads the same hundreds of modules: where their types are taken away and
 * they are compiled once, a quarter of the processor time is saved.
 */
const env = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/countersign-tests'), ...process.env };

function station(name: string, command: string, args: readonly string[]): void {
  const started = Date.now();
  process.stdout.write(`\n${name}\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit', timeout: stationTimeout });
  if (status !== 0) {
    process.stdout.write(`\n${name}: failed${error ? `: ${error.message}` : ''}\n`);
    process.exit(1);
  }
  process.stdout.write(`${name}: fine (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
}

const tool = (name: string): string => join(root, 'node_modules/.bin', name);

if (named.length === 0) {
  station('format', tool('oxfmt'), ['--check']);
  station('lint', tool('oxlint'), ['--deny-warnings']);
  // Each of several checkers would find out by itself what all of them need, such as the types of packages.
  station('types', tool('tsc'), ['-p', 'tsconfig.json', '--checkers', '1']);
  station('types of the dashboard', tool('tsc'), ['-p', 'dashboard/tsconfig.json', '--checkers', '1']);
  station('dashboard', 'npm', ['run', '--silent', 'dashboard:build']);
}
/** Those that start whole stacks take longest: begun first, none of them is what everybody waits for in the end. */
const folders = ['test', 'src', 'deploy', 'examples', 'dashboard/src'];
const files =
  named.length > 0 ? named : folders.flatMap((folder) => globSync(`${folder}/**/*.test.ts`, { cwd: root }).sort());
station('tests', process.execPath, [
  '--test',
  // Two for each core: much of the time of a file is spent waiting for what it started.
  `--test-concurrency=${availableParallelism() * 2}`,
  '--test-timeout=180000',
  ...files,
]);
