import { withoutKeys } from '../core/text/without-keys.ts';

/** One thing that is wrong with the configuration: where, what, and what to write instead. */
export interface Fault {
  /** The environment has no lines; there line and column are 0. */
  readonly source: 'file' | 'environment';
  /** From 1; 0 where the fault concerns the file as a whole. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What to write instead; '' where there is nothing to add. */
  readonly hint: string;
}

const faultsShownMax = 100;
const longHint = 100;

/** Every fault at once, in the order of the file: an operator mends them in one go. Compare `code`, not the class. */
export class ConfigError extends Error {
  readonly code = 'config_invalid';
  readonly file: string;
  readonly faults: readonly Fault[];

  constructor(file: string | null, faults: readonly Fault[]) {
    const name = file ?? 'configuration';
    const sorted = sortFaults(faults).map(shownFault);
    super(formatFaults(name, sorted));
    this.name = 'ConfigError';
    this.file = name;
    this.faults = sorted;
  }

  /** `file:line:column: message — hint`, one line each: editors and CI turn these into links. */
  format(): string {
    return formatFaults(this.file, this.faults);
  }
}

/** Messages go to logs and terminals, and what was written may be a key at the wrong place. */
function shownFault(fault: Fault): Fault {
  return { ...fault, message: withoutKeys(fault.message), hint: withoutKeys(fault.hint) };
}

export function formatFault(file: string, written: Fault): string {
  const fault = shownFault(written);
  const at =
    fault.source === 'environment' ? 'environment' : fault.line === 0 ? file : `${file}:${fault.line}:${fault.column}`;
  return `${at}: ${fault.message}${fault.hint === '' ? '' : ` — ${fault.hint}`}`;
}

function formatFaults(file: string, faults: readonly Fault[]): string {
  const said = new Set<string>();
  const lines = faults.slice(0, faultsShownMax).map((fault) => {
    // Thirty words that may stand there are read once, or not at all.
    const again = fault.hint.length > longHint && said.has(fault.hint);
    said.add(fault.hint);
    return formatFault(file, again ? { ...fault, hint: 'as above' } : fault);
  });
  if (faults.length > faultsShownMax) lines.push(`${file}: and ${faults.length - faultsShownMax} more`);
  return lines.join('\n');
}

/** By place; one fault per place and message. */
function sortFaults(faults: readonly Fault[]): Fault[] {
  const seen = new Set<string>();
  return faults
    .filter((fault) => {
      const key = JSON.stringify([fault.source, fault.line, fault.column, fault.message]);
      return !seen.has(key) && seen.add(key);
    })
    .sort((a, b) => a.source.localeCompare(b.source) * -1 || a.line - b.line || a.column - b.column);
}

export function environmentFault(message: string, hint: string): Fault {
  return { source: 'environment', line: 0, column: 0, message, hint };
}

/** Of the file as a whole, or of what is no file. */
export function wholeFault(message: string, hint: string): Fault {
  return { source: 'file', line: 0, column: 0, message, hint };
}

/** A value as it may be shown in a message: short, and on one line. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** 'a, b or c' */
export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
