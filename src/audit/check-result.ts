import { changeRecord, recordsListedMax, type JsonValue, type RecordStore } from '../core/record.ts';

/** Of which checks the last result is kept. */
export const CHECKS = ['doctor', 'probe'] as const;
export type CheckName = (typeof CHECKS)[number];

/** The last result of a check, for whoever looks at the dashboard. No part of it holds a secret. */
export interface CheckResult {
  readonly check: CheckName;
  /** When it ended, epoch seconds. */
  readonly at: number;
  /** Who ran it: 'cli:root'. */
  readonly by: string;
  /** The machine that it ran on. */
  readonly from: string;
  /** '2 findings: 1 high, 1 low'. */
  readonly summary: string;
  readonly findings: readonly CheckFinding[];
  /** Findings beyond those that are kept. */
  readonly omitted: number;
}

export interface CheckFinding {
  readonly severity: 'high' | 'medium' | 'low';
  readonly place: string;
  readonly what: string;
  /** '' where `what` says it all. */
  readonly why: string;
  /** What to do, line by line: commands and edits as they are typed, words as they are read. */
  readonly repair: readonly string[];
}

const kind = 'check';
const findingsMax = 200;
const textMax = 1000;
const repairLinesMax = 40;
/** All of it, well below what a record may have. */
const bytesMax = 200_000;

/** Takes the place of the last result of the same check. What is too long is cut, and what is too much is counted. */
export async function keepCheckResult(
  records: RecordStore,
  result: Omit<CheckResult, 'omitted'>,
): Promise<CheckResult> {
  const { check, at } = result;
  const kept = bounded(result);
  const next = { value: kept as unknown as JsonValue, expiresAt: null };
  if (await changeRecord(records, { kind, id: check, clock: () => at }, () => next)) return kept;
  throw new Error(`others kept writing the result of ${check}`);
}

/** One for each check that was ever kept. */
export async function checkResults(records: RecordStore, now: number): Promise<CheckResult[]> {
  const found = await records.list(kind, now, { limit: recordsListedMax });
  return found.map(({ value }) => value as unknown as CheckResult);
}

function bounded(result: Omit<CheckResult, 'omitted'>): CheckResult {
  const findings = result.findings.slice(0, findingsMax).map(cut);
  let bytes = findings.reduce((sum, finding) => sum + sizeOf(finding), 0);
  while (bytes > bytesMax) bytes -= sizeOf(findings.pop());
  return { ...result, summary: short(result.summary), findings, omitted: result.findings.length - findings.length };
}

function cut({ severity, place, what, why, repair }: CheckFinding): CheckFinding {
  return {
    severity,
    place: short(place),
    what: short(what),
    why: short(why),
    repair: repair.slice(0, repairLinesMax).map(short),
  };
}

const sizeOf = (finding: CheckFinding | undefined): number => Buffer.byteLength(JSON.stringify(finding ?? null));

function short(text: string): string {
  return text.length <= textMax ? text : `${text.slice(0, textMax)}…`;
}
