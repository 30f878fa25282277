import { sha256Hex } from '../../crypto/digest.ts';

/** high: somebody can get in, or read a secret. medium: a defence is missing. low: tidy up before it matters. */
const SEVERITIES = ['high', 'medium', 'low'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One thing that is wrong. No part of it holds a secret: it is printed, and kept by CI servers. */
export interface Finding {
  /** Which check found it: 'guessable-password'. */
  readonly check: string;
  /** A file relative to the folder, with a line where there is one, or what else it is about: 'key 4fTq0ZkP1a'. */
  readonly place: string;
  readonly severity: Severity;
  readonly what: string;
  readonly why: string;
  readonly repair: Repair;
}

export interface Repair {
  /** To be typed in the folder, in this order. */
  readonly commands: readonly string[];
  /** To be written into a file, after the commands. */
  readonly edit: Edit | null;
  /** What no command does. */
  readonly words: string | null;
  /** Done by --fix: it takes nothing away from anybody who is meant to have it. */
  readonly fix: Fix | null;
}

/** One line of a file becomes these lines; none removes it. */
export interface Edit {
  readonly file: string;
  readonly line: number;
  readonly lines: readonly string[];
}

export type Fix =
  | { readonly kind: 'mode'; readonly file: string; readonly mode: number }
  | { readonly kind: 'ignore'; readonly file: string };

export function repair(parts: Partial<Repair>): Repair {
  return { commands: [], edit: null, words: null, fix: null, ...parts };
}

/** The same for the same finding in every run; lines move, so only the history's count. */
export function findingId({ check, place, what }: Finding): string {
  const lasting = check === 'secret-in-history' ? place : place.replace(/:[0-9]+$/, '');
  return sha256Hex(`${check}\n${lasting}\n${what}`).slice(0, 12);
}

/** The worst first; within that in the order of the checks. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
}
