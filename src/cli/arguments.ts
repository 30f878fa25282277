import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { optionsOf, GLOBAL_OPTIONS, type Command, type Invocation, type Option } from './command.ts';
import { usage } from './failure.ts';
import { nearest } from '../core/text/nearest.ts';
import type { Output } from './output.ts';
import { namingConfig, outputNaming } from './printed-commands.ts';
import type { Stdin } from './command.ts';

export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Output;
  readonly stdin: Stdin;
}

/** Which command the words name, and what is left for it. A null command: none was named, or only a group ('keys'). */
export interface Named {
  readonly command: Command | null;
  /** 'keys' where a group was named without a command of it. */
  readonly group: string | null;
  readonly rest: readonly string[];
}

/** Finds the command's one or two words among the arguments; options may stand before them. */
export function nameCommand(args: readonly string[], commands: readonly Command[]): Named {
  const words: number[] = [];
  for (let index = 0; index < args.length && words.length < 2; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--') break;
    if (!arg.startsWith('-')) words.push(index);
    else if (takesNext(arg, GLOBAL_OPTIONS)) index += 1;
  }
  const first = args[words[0] ?? -1];
  if (first === undefined) return { command: null, group: null, rest: args };
  const single = commands.find((command) => command.name === first);
  if (single) return { command: single, group: null, rest: without(args, words.slice(0, 1)) };
  const group = commands.filter((command) => command.name.startsWith(`${first} `));
  const second = args[words[1] ?? -1];
  const double = group.find((command) => command.name === `${first} ${second}`);
  if (double) return { command: double, group: null, rest: without(args, words) };
  if (group.length > 0 && second === undefined) return { command: null, group: first, rest: without(args, words) };
  throw unknownCommand(first, group.length > 0 ? (second ?? null) : null, commands);
}

function takesNext(arg: string, options: Readonly<Record<string, Option>>): boolean {
  if (arg.includes('=')) return false;
  return Object.entries(options).some(
    ([name, option]) => option.type === 'text' && (arg === `--${name}` || arg === `-${option.short}`),
  );
}

function without(args: readonly string[], indexes: readonly number[]): string[] {
  return args.filter((_, index) => !indexes.includes(index));
}

function unknownCommand(first: string, second: string | null, commands: readonly Command[]): Error {
  const names = commands.map((command) => command.name);
  const heads = [...new Set(names.map((name) => name.split(' ')[0] ?? name))];
  if (second !== null) {
    const within = names.filter((name) => name.startsWith(`${first} `)).map((name) => name.slice(first.length + 1));
    const meant = nearest(second, within);
    const hint = meant === null ? `There are: ${within.join(', ')}.` : `Did you mean "${first} ${meant}"?`;
    return usage(`"${first}" has no command "${second}"`, hint);
  }
  const ofGroups = names.filter((name) => name.endsWith(` ${first}`));
  if (ofGroups.length > 0) return usage(`there is no command "${first}"`, `There are: ${ofGroups.join(', ')}.`);
  const meant = nearest(first, heads);
  return usage(
    `there is no command "${first}"`,
    meant === null ? 'See: countersign --help' : `Did you mean "${meant}"?`,
  );
}

/** Reads a command's own arguments. Throws a usage Failure, in which no value of an argument that could be a secret stands. */
export function readArguments(command: Command, args: readonly string[], around: Surroundings): Invocation {
  refuseSecrets(args);
  const options = optionsOf(command);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, option]) => [
        name,
        {
          type: option.type === 'text' ? 'string' : 'boolean',
          ...(option.short ? { short: option.short } : {}),
        } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const texts = new Map<string, string[]>();
  const flags = new Set<string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option) throw unknownOption(command, token.rawName, Object.keys(options));
    if (option.type === 'flag') {
      if (token.value !== undefined) throw usage(`${token.rawName} takes no value`, helpHint(command));
      flags.add(token.name);
    } else {
      // A value that looks like an option is a forgotten value, unless it was tied on with '='.
      if (token.value === undefined || token.value === '' || (!token.inlineValue && token.value.startsWith('--')))
        throw usage(`${token.rawName} needs a value: ${token.rawName} ${option.value ?? 'VALUE'}`, helpHint(command));
      const values = texts.get(token.name) ?? [];
      if (values.length > 0 && !option.multiple) throw usage(`${token.rawName} is given twice`, helpHint(command));
      texts.set(token.name, [...values, token.value]);
    }
  }
  const form = texts.get('output')?.[0] ?? 'text';
  if (form !== 'text' && form !== 'json') throw usage(`--output is text or json, not "${form}"`);
  if (!flags.has('help')) countPositionals(command, positionals);
  const named = texts.get('config')?.[0];
  const configFile = resolve(around.cwd, (named ?? around.env['COUNTERSIGN_CONFIG']) || 'countersign.yaml');
  return {
    positionals,
    text: (name) => texts.get(name)?.[0] ?? null,
    texts: (name) => texts.get(name) ?? [],
    flag: (name) => flags.has(name),
    json: form === 'json',
    dryRun: flags.has('dry-run'),
    configFile,
    env: around.env,
    out: named === undefined ? around.out : outputNaming(around.out, configFile),
    stdin: around.stdin,
    naming: (text) => (named === undefined ? text : namingConfig(text, configFile)),
  };
}

function countPositionals(command: Command, positionals: readonly string[]): void {
  const required = command.positionals.filter((positional) => positional.required);
  const missing = required[positionals.length];
  if (missing) throw usage(`"${command.name}" needs ${missing.name}: ${missing.summary}`, helpHint(command));
  if (positionals.length > command.positionals.length && !command.positionals.at(-1)?.rest) {
    const count =
      command.positionals.length === 0
        ? 'no arguments'
        : `no arguments but ${command.positionals.map(({ name }) => name).join(' and ')}`;
    // What is too much is not repeated: it may be a secret.
    throw usage(`"${command.name}" takes ${count}; given: ${positionals.length}`, helpHint(command));
  }
}

/** For words that name no command: only the options of all commands may stand there. */
export function refuseUnknownOptions(args: readonly string[]): void {
  const known = Object.entries(GLOBAL_OPTIONS).flatMap(([name, { short }]) => [`--${name}`, `-${short}`]);
  const unknown = args
    .map((arg) => arg.split('=', 1)[0] ?? '')
    .find((arg) => /^--?\w/.test(arg) && !known.includes(arg));
  if (unknown !== undefined) throw usage(`there is no option ${unknown}`, 'See: countersign --help');
}

const secretOptions = /^(?:key|secret|token|password|passphrase|api-key|admin-token|credential)$/;

function unknownOption(command: Command, rawName: string, known: readonly string[]): Error {
  const name = rawName.replace(/^-+/, '');
  if (secretOptions.test(name)) {
    return usage(
      `${rawName} is not an option: a secret given as an argument shows in the process list and the shell's history`,
      known.includes(`${name}-file`)
        ? `Put it in a file and write --${name}-file FILE, or give it on standard input.`
        : 'Give it on standard input.',
    );
  }
  if (name === 'json') return usage(`"${command.name}" has no option ${rawName}`, 'Write --output json.');
  const meant = rawName.startsWith('--') ? nearest(name, known) : null;
  return usage(
    `"${command.name}" has no option ${rawName}`,
    meant === null ? helpHint(command) : `Did you mean --${meant}?`,
  );
}

/** Whoever looks at the process list sees arguments, so a whole key among them is as good as published. */
function refuseSecrets(args: readonly string[]): void {
  if (args.some((arg) => /cs_(?:sk|hs|st|ad)_[0-9A-Za-z]{10}_[0-9A-Za-z]{40}/.test(arg))) {
    throw usage(
      'a whole key stands among the arguments, where the process list and the shell history show it; nothing was done',
      'Give it on standard input or in a file. If others use this machine, revoke that key.',
    );
  }
}

function helpHint(command: Command): string {
  return `See: countersign ${command.name} --help`;
}
