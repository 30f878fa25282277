import type { Output } from './output.ts';

export interface Option {
  readonly type: 'text' | 'flag';
  /** One letter. */
  readonly short?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  /** What stands for the value in the help: 'FILE'. */
  readonly value?: string;
  readonly summary: string;
}

export interface Positional {
  /** As written in the help: 'SERVICE'. */
  readonly name: string;
  readonly required: boolean;
  /** Takes all that stands behind `--`: a command and its arguments. */
  readonly rest?: boolean;
  readonly summary: string;
}

/** One row of the command table. The help, the parser and docs/cli.md are all held to it. */
export interface Command {
  /** 'serve' or 'keys create'. */
  readonly name: string;
  readonly summary: string;
  /** Plain words below the usage line; what a reader needs before the first use. */
  readonly about: string;
  readonly positionals: readonly Positional[];
  readonly options: Readonly<Record<string, Option>>;
  /** True when it changes something: then it takes --dry-run. */
  readonly changes: boolean;
  readonly examples: readonly string[];
  /** Loaded when asked for, so that --help does not pay for a gateway. */
  readonly load: () => Promise<Run>;
}

/** Resolves to the exit code; throws a Failure otherwise. */
export type Run = (invocation: Invocation) => Promise<number>;

/** A command as it was called: options read and checked, nothing done yet. */
export interface Invocation {
  readonly positionals: readonly string[];
  text(option: string): string | null;
  texts(option: string): readonly string[];
  flag(option: string): boolean;
  readonly json: boolean;
  readonly dryRun: boolean;
  /** Absolute path of the configuration; it may not exist. */
  readonly configFile: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Output;
  readonly stdin: Stdin;
  /** The text, in which each command of ours names the configuration that was given. What `out` tells and advises does so by itself. */
  naming(text: string): string;
}

export interface Stdin {
  readonly isTerminal: boolean;
  /** All of it. */
  read(): Promise<string>;
}

/** Options that every command takes. */
export const GLOBAL_OPTIONS: Readonly<Record<string, Option>> = {
  config: {
    type: 'text',
    short: 'c',
    value: 'FILE',
    summary: 'the configuration (default: $COUNTERSIGN_CONFIG, else ./countersign.yaml)',
  },
  output: { type: 'text', short: 'o', value: 'FORM', summary: 'text or json (default: text)' },
  help: { type: 'flag', short: 'h', summary: 'show this help' },
};

const DRY_RUN: Option = { type: 'flag', summary: 'say what would change, and change nothing' };
const REASON: Option = { type: 'text', value: 'WHY', summary: 'why, for the audit' };

export function optionsOf(command: Command): Readonly<Record<string, Option>> {
  return { ...command.options, ...(command.changes ? { 'dry-run': DRY_RUN, reason: REASON } : {}), ...GLOBAL_OPTIONS };
}
