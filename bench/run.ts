/**
 * `npm run bench [filter]`: runs every file in bench/cases/, one JSON line per case on stdout, talk on stderr. The filter is
 * a part of a file's or a case's name. Only ratios travel from one machine to another.
 */
import { readdir } from 'node:fs/promises';
import { measure, median, type Bench, type BenchFile, type BenchResult, type Rounds } from './measure.ts';

const filter = process.argv[2] ?? '';
const folder = new URL('cases/', import.meta.url);

function report(result: Omit<BenchResult, 'ratio'>, ratio = result.ours / result.peer): void {
  const line: BenchResult = {
    case: result.case,
    unit: result.unit,
    ours: rounded(result.ours),
    peer: rounded(result.peer),
    peer_name: result.peer_name,
    ratio: rounded(ratio),
    runs: result.runs,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function reportRounds({ ours, peer, ...rest }: Rounds): void {
  const ratios = ours.map((figure, round) => figure / (peer[round] ?? Number.NaN));
  report({ ...rest, ours: median(ours), peer: median(peer), runs: ours.length }, median(ratios));
}

function benchOf(wants: (name: string) => boolean): Bench {
  return {
    wants,
    report: (result) => report(result),
    reportRounds,
    async compare(name, pair) {
      if (!wants(name)) return;
      const timing = await measure(pair);
      report({ case: name, unit: 'us/op', ...timing, peer_name: pair.peerName });
    },
    say: (text) => void process.stderr.write(`${text}\n`),
  };
}

/** Four significant digits: more would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

async function runFile(file: string): Promise<void> {
  const { default: cases } = (await import(new URL(file, folder).href)) as { default: BenchFile };
  const whole = file.includes(filter);
  const wants = (name: string) => whole || name.includes(filter);
  const bench = benchOf(wants);
  if (typeof cases === 'function') {
    await cases(bench);
    return;
  }
  for (const { name, run, onlyNamed = false } of cases) {
    if (!wants(name)) continue;
    if (onlyNamed && filter === '') {
      bench.say(`left out, since it takes minutes: npm run bench -- '${name}'`);
      continue;
    }
    // A named case was chosen by its name; what it reports is its own business.
    await run(benchOf(() => true));
  }
}

const files = (await readdir(folder)).filter((file) => file.endsWith('.ts')).sort();
const started = performance.now();
for (const file of files) {
  process.stderr.write(`# ${file}\n`);
  await runFile(file);
}
process.stderr.write(`# done in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
