import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { nameCommand, readArguments, refuseUnknownOptions, type Surroundings } from './arguments.ts';
import { COMMANDS } from './commands.ts';
import { EXIT, explain } from './failure.ts';
import { commandHelp, overview } from './help.ts';

/** Resolves to the exit code; never rejects. */
export async function run(args: readonly string[], around: Surroundings): Promise<number> {
  const { out } = around;
  const exit = await runCommand(args, around);
  // A write is told of its fault a turn later.
  await nextTurn();
  if (out.fault === null) return exit;
  out.talk(
    `${out.paintTalk('red', 'countersign:')} standard output cannot be written, and the result is lost: ${out.fault}`,
  );
  return exit === EXIT.done ? EXIT.unreachable : exit;
}

async function runCommand(args: readonly string[], around: Surroundings): Promise<number> {
  let { out } = around;
  try {
    if (args.includes('--version') && !args.includes('--')) {
      out.line(version());
      return EXIT.done;
    }
    const { command, group, rest } = nameCommand(args[0] === 'help' ? [...args.slice(1), '--help'] : args, COMMANDS);
    if (command === null) {
      refuseUnknownOptions(rest);
      const asked = args.length === 0 || args[0] === 'help' || rest.includes('--help') || rest.includes('-h');
      if (asked) out.line(overview(COMMANDS, group, out));
      else out.talk(overview(COMMANDS, group, out));
      return asked ? EXIT.done : EXIT.usage;
    }
    const invocation = readArguments(command, rest, around);
    ({ out } = invocation);
    if (invocation.flag('help')) {
      out.line(commandHelp(command, out));
      return EXIT.done;
    }
    return await (
      await command.load()
    )(invocation);
  } catch (error) {
    const { exit, lines } = explain(error);
    const [first = '', ...others] = lines;
    out.talk(`${out.paintTalk('red', 'countersign:')} ${first}`);
    for (const line of others) out.talk(line);
    return exit;
  }
}

function version(): string {
  const { version: text }: { version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return text;
}
