import { optionsOf, type Command, type Option } from './command.ts';
import { wrapped } from '../core/text/wrapped.ts';
import type { Output } from './output.ts';

/** 'countersign keys create SERVICE [options]'. */
export function usageLine(command: Command): string {
  const words = (rest: boolean): string[] =>
    command.positionals
      .filter((positional) => (positional.rest ?? false) === rest)
      .map(({ name, required }) => (required ? name : `[${name}]`));
  const last = words(true);
  return ['countersign', command.name, ...words(false), '[options]', ...(last.length > 0 ? ['--', ...last] : [])].join(
    ' ',
  );
}

/** '--expires DURATION', with its letter when it has one. */
export function optionWords(name: string, option: Option): string {
  const long = option.type === 'text' ? `--${name} ${option.value ?? 'VALUE'}` : `--${name}`;
  return option.short ? `-${option.short}, ${long}` : long;
}

export function commandHelp(command: Command, out: Output): string {
  const title = (text: string): string => out.paint('bold', text);
  const lines = [`${title('Usage')}  ${usageLine(command)}`, '', ...wrapped(command.about, lineLength(out))];
  const { positionals } = command;
  if (positionals.length > 0)
    lines.push(
      '',
      title('Arguments'),
      ...twoColumns(
        positionals.map((each) => [each.name, each.summary]),
        out,
      ),
    );
  const options = Object.entries(optionsOf(command));
  lines.push(
    '',
    title('Options'),
    ...twoColumns(
      options.map(([name, option]) => [optionWords(name, option), option.summary]),
      out,
    ),
  );
  lines.push('', title(command.examples.length === 1 ? 'Example' : 'Examples'));
  lines.push(...command.examples.map((example) => `  ${out.paint('cyan', example)}`));
  return lines.join('\n');
}

export function overview(commands: readonly Command[], group: string | null, out: Output): string {
  const shown = group === null ? commands : commands.filter((command) => command.name.startsWith(`${group} `));
  const title = (text: string): string => out.paint('bold', text);
  const lines = [
    `${title('Usage')}  countersign ${group ?? 'COMMAND'}${group === null ? '' : ' COMMAND'} [options]`,
    '',
  ];
  if (group === null) lines.push('One authentication layer for a self-hosted AI stack.', '');
  lines.push(
    title('Commands'),
    ...twoColumns(
      shown.map((command) => [command.name, command.summary]),
      out,
    ),
  );
  if (group === null) {
    lines.push('', title('Start here'));
    lines.push(`  ${out.paint('cyan', 'countersign demo')}    see it work, with real services and a real MCP client`);
    lines.push(`  ${out.paint('cyan', 'countersign init')}    write a configuration for your own stack`);
    lines.push(
      '',
      ...wrapped(
        'Results go to standard output, talk to standard error. Secrets are read from standard input or files.',
        lineLength(out),
      ),
    );
    const codes = 'Exit codes: 0 done, 1 refused or found wanting, 2 wrongly called, 3 cannot reach.';
    lines.push(...wrapped(codes, lineLength(out)));
  }
  lines.push('', `See: countersign ${group === null ? 'COMMAND' : `${group} COMMAND`} --help`);
  return lines.join('\n');
}

function twoColumns(rows: readonly (readonly [string, string])[], out: Output): string[] {
  const width = Math.min(30, Math.max(...rows.map(([left]) => left.length)));
  return rows.flatMap(([left, right]) => {
    const [first = '', ...rest] = wrapped(right, lineLength(out) - width - 4);
    const head =
      left.length > width ? [`  ${left}`, `  ${' '.repeat(width)}  ${first}`] : [`  ${left.padEnd(width)}  ${first}`];
    return [...head, ...rest.map((line) => `  ${' '.repeat(width)}  ${line}`)];
  });
}

/** As wide as reads well, on a terminal that has the room; never so narrow that a summary is one word a line. */
function lineLength({ width }: Output): number {
  return Math.max(60, Math.min(96, width ?? 96));
}
