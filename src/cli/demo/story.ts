import { setTimeout as pause } from 'node:timers/promises';
import type { Report } from '../../audit/report/report.ts';
import { routeWords } from '../../audit/report/words.ts';
import { columns, type Output } from '../output.ts';
import type { Answer } from './answers.ts';
import type { Call, Group } from './calls.ts';
import { messageOf } from '../../core/message-of.ts';

/** What was shown, line by line: whether each came as expected decides the exit code. */
export interface Shown {
  readonly act: string;
  readonly what: string;
  readonly expected: Answer;
  readonly got: Answer;
  readonly ok: boolean;
}

/** Tells the demonstration and keeps count. */
export interface Story {
  readonly lines: readonly Shown[];
  say(text?: string): void;
  /** A heading. */
  act(title: string): void;
  /** A command that is run now, as the reader would type it. */
  command(text: string): void;
  tableHead(): void;
  title(text: string): void;
  /** Judges one answer and shows it. `note` stands behind what came and is not judged. */
  line(what: string, expected: Answer, got: Answer, note?: string): void;
  refusals(report: Report): void;
  /** Nothing more is shown: what comes after Ctrl-C is no news. */
  end(): void;
}

const patienceMillis = 30_000;
const whatWidth = 36;
const expectedWidth = 38;

/** With `quiet` nothing is shown, only kept. */
export function story(out: Output, quiet: boolean): Story {
  const lines: Shown[] = [];
  let act = '';
  let silent = quiet;
  const print = (text = ''): void => (silent ? undefined : out.line(text));
  return {
    lines,
    say: (text = '') => print(text === '' ? '' : `  ${text}`),
    act(title) {
      act = title;
      print();
      print(out.paint('bold', title));
      print();
    },
    command: (text) => print(`  ${out.paint('dim', '$')} ${out.paint('cyan', text)}`),
    tableHead: () =>
      print(out.paint('dim', `    ${'call'.padEnd(whatWidth)}  ${'expected'.padEnd(expectedWidth)}  got`)),
    title: (text) => print(`\n  ${text}`),
    line(what, expected, got, note = '') {
      const ok = got === expected;
      lines.push({ act, what, expected, got, ok });
      const mark = ok ? out.paint('green', '✓') : out.paint('red', '✗');
      const came = ok
        ? out.paint(got.startsWith('4') || got.startsWith('refused') ? 'yellow' : 'green', got)
        : out.paint('red', got);
      print(
        `  ${mark} ${what.padEnd(whatWidth)}  ${expected.padEnd(expectedWidth)}  ${came}${note === '' ? '' : ` ${out.paint('dim', note)}`}`,
      );
    },
    refusals(report) {
      const rows = report.would_deny_groups.map(({ count, caller, service, route, reason }) => [
        String(count).padStart(5),
        caller === '' ? '(unnamed)' : caller,
        routeWords(service, route),
        reason,
      ]);
      for (const line of columns(['count', 'caller (?: claims to be)', 'route', 'reason'], rows, out))
        print(`  ${line}`);
    },
    end: () => void (silent = true),
  };
}

/** Makes every call, one after the other, and shows what came. */
export async function perform(told: Story, acts: readonly Group[], expected: (call: Call) => Answer): Promise<void> {
  told.tableHead();
  for (const { title, calls } of acts) {
    told.title(title);
    for (const call of calls) {
      const late = pause(patienceMillis, `no answer in ${patienceMillis / 1000} s`, { ref: false });
      const failed = (error: unknown): Answer => messageOf(error);
      const got = await Promise.race([call.make().catch(failed), late]);
      told.line(call.what, expected(call), got);
    }
  }
}
