import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { CheckFinding } from '../../../audit/check-result.ts';
import type { StackConfig } from '../../../compose/config.ts';
import { messageOf } from '../../../core/message-of.ts';
import { shellWord } from '../../../core/text/shell-word.ts';
import { printable } from '../../../core/text/printable.ts';
import { hasCode } from '../../../core/store.ts';
import type { Invocation } from '../../command.ts';
import { accept, acceptedIds } from '../../doctor/accepted.ts';
import { examineFolder, examineStack } from '../../doctor/examine.ts';
import { bySeverity, findingId, type Edit, type Finding, type Severity } from '../../doctor/finding.ts';
import { applyFix } from '../../doctor/fixes.ts';
import { EXIT, explain, refused, usage } from '../../failure.ts';
import type { Style } from '../../output.ts';
import { atWork, readConfig } from '../../workplace.ts';
import { keepResult } from './keep-result.ts';

/** Exit 1 when something is found. */
export async function doctor(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const folder = folderOf(invocation);
  if (invocation.flag('record') && invocation.texts('accept').length > 0)
    throw usage('--record keeps what is found, and --accept looks for nothing: give one of them');
  const first = await look(folder, invocation);
  const ids = invocation.texts('accept');
  if (ids.length > 0) return acceptAll(folder, first.findings, ids, invocation);
  const fixed = invocation.flag('fix') ? fixAll(folder, first.findings, invocation) : [];
  const { findings, notLookedAt, otherwise } =
    fixed.length > 0 && !invocation.dryRun ? await look(folder, invocation) : first;
  const accepted = acceptedIds(folder);
  const open = bySeverity(findings.filter((finding) => !accepted.has(findingId(finding))));
  if (invocation.json) {
    out.json({
      folder,
      findings: open.map(shown),
      fixed: fixed.map(shown),
      accepted: findings.length - open.length,
      not_looked_at: notLookedAt,
      dry_run: invocation.dryRun,
    });
  } else {
    for (const finding of fixed)
      out.line(`${invocation.dryRun ? 'would fix' : 'fixed'}  ${printable(finding.place)}: ${finding.what}`);
    for (const finding of open) sayFinding(finding, invocation);
    if (open.some(({ repair }) => repair.edit !== null))
      out.line('Run the commands first, then edit each file from the bottom up: lines below an edit move.');
    for (const line of notLookedAt) out.talk(`not looked at: ${printable(line)}`);
    out.line(sumLine(open, findings.length - open.length, invocation));
  }
  if (invocation.flag('record') && !invocation.dryRun) {
    const words = summary(open, findings.length - open.length);
    await atWork(invocation, (place) => keepResult('doctor', words, open.map(kept), place, invocation));
  }
  // Nothing was found in half of it, which must not look like nothing at all.
  return open.length > 0 ? EXIT.refused : otherwise;
}

function folderOf(invocation: Invocation): string {
  const [given] = invocation.positionals;
  const folder = given === undefined ? dirname(invocation.configFile) : resolve(given);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw refused(`${folder} is no folder`);
  return folder;
}

interface Looked {
  readonly findings: readonly Finding[];
  readonly notLookedAt: readonly string[];
  /** Where nothing is found. */
  readonly otherwise: number;
}

/** Files first, which need nothing; then the store and what runs, where there is a configuration. */
async function look(folder: string, invocation: Invocation): Promise<Looked> {
  const { configFile } = invocation;
  if (!existsSync(configFile)) return filesAlone(folder, `there is no configuration at ${configFile}`, EXIT.done);
  let config: StackConfig;
  try {
    config = await readConfig(invocation);
  } catch (error) {
    if (!hasCode(error, 'config_invalid')) throw error;
    return filesAlone(folder, `${configFile} has faults, which \`countersign validate\` names`, EXIT.refused);
  }
  const { findings, notLookedAt } = await examineFolder(folder, config);
  if (config.store.kind === 'memory')
    return {
      findings,
      notLookedAt: [...notLookedAt, 'keys, clocks and routes: only the server sees a store in memory'],
      otherwise: EXIT.done,
    };
  try {
    const running = await atWork(invocation, (place) => examineStack(place.config, place.store));
    return { findings: [...findings, ...running], notLookedAt, otherwise: EXIT.done };
  } catch (error) {
    // What lies in the files is there all the same, and somebody else may be the only one who can open the store.
    const { exit, lines } = explain(error);
    if (exit !== EXIT.unreachable) throw error;
    return {
      findings,
      notLookedAt: [...notLookedAt, `keys, clocks, routes and ports: ${lines.join(' ')}`],
      otherwise: exit,
    };
  }
}

async function filesAlone(folder: string, why: string, otherwise: number): Promise<Looked> {
  const { findings, notLookedAt } = await examineFolder(folder, null);
  return { findings, notLookedAt: [...notLookedAt, `keys, clocks, routes and ports: ${why}`], otherwise };
}

function acceptAll(
  folder: string,
  findings: readonly Finding[],
  ids: readonly string[],
  invocation: Invocation,
): number {
  const known = new Map(findings.map((finding) => [findingId(finding), finding]));
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined) throw usage(`--accept: nothing with the id ${printable(unknown)} is found now`);
  const chosen = ids.flatMap((id) => known.get(id) ?? []);
  const already = acceptedIds(folder);
  const news = chosen.filter((finding) => !already.has(findingId(finding)));
  if (news.length > 0 && !invocation.dryRun) accept(folder, news);
  if (invocation.json) invocation.out.json({ accepted: chosen.map(shown), dry_run: invocation.dryRun });
  else
    for (const { place, what } of chosen)
      invocation.out.line(`${invocation.dryRun ? 'would accept' : 'accepted'}  ${printable(place)}: ${what}`);
  return EXIT.done;
}

/** One that cannot be mended, as a file of another user, leaves the others to be mended. */
function fixAll(folder: string, findings: readonly Finding[], { dryRun, out }: Invocation): readonly Finding[] {
  return findings.filter(({ place, repair: { fix } }) => {
    try {
      if (fix !== null && !dryRun) applyFix(folder, fix);
      return fix !== null;
    } catch (error) {
      out.warn(`not fixed: ${printable(place)}: ${messageOf(error)}`);
      return false;
    }
  });
}

function shown(finding: Finding) {
  const { check, place, severity, what, why, repair } = finding;
  const { commands, edit, words, fix } = repair;
  return {
    id: findingId(finding),
    check,
    place,
    severity,
    what,
    why,
    repair: { commands, edit, words, by_fix: fix !== null },
  };
}

const STYLES: Readonly<Record<Severity, Style>> = { high: 'red', medium: 'yellow', low: 'dim' };

function sayFinding(finding: Finding, { out, positionals: [folder] }: Invocation): void {
  const { commands, edit, words, fix } = finding.repair;
  const row = (name: string, text: string): void => out.advice(`  ${out.paint('dim', name.padEnd(6))}  ${text}`);
  const severity = out.paint(STYLES[finding.severity], finding.severity.padEnd(6));
  out.advice(`${severity}  ${printable(finding.place)}: ${printable(finding.what)}`);
  row('why', finding.why);
  for (const command of commands) row('run', printable(command));
  if (edit !== null) {
    row('edit', editWords(edit));
    // Written into the file to the letter, so a command in it stays as it is.
    for (const text of edit.lines) out.line(`    | ${printable(text)}`);
  }
  if (words !== null) row(commands.length > 0 || edit !== null ? 'note' : 'do', printable(words));
  if (fix !== null) row('or', `countersign doctor ${folder === undefined ? '' : `${shellWord(folder)} `}--fix`);
  row('id', `${findingId(finding)}  (${finding.check})`);
  out.line();
}

function editWords({ file, line, lines }: Edit): string {
  const place = `line ${line} of ${printable(file)}`;
  return lines.length === 0 ? `delete ${place}` : `write instead of ${place}:`;
}

/** As the dashboard shows it. */
function kept({ severity, place, what, why, repair: { commands, edit, words } }: Finding): CheckFinding {
  const edits = edit === null ? [] : [editWords(edit), ...edit.lines];
  return { severity, place, what, why, repair: [...commands, ...edits, ...(words === null ? [] : [words])] };
}

function sumLine(open: readonly Finding[], accepted: number, { out }: Invocation): string {
  return out.paint(open.length === 0 ? 'green' : 'red', summary(open, accepted));
}

function summary(open: readonly Finding[], accepted: number): string {
  const also = accepted === 0 ? '' : `; ${accepted} accepted`;
  if (open.length === 0) return `nothing found${also}`;
  const counts = Object.entries(Object.groupBy(open, ({ severity }) => severity)).map(
    ([severity, own]) => `${own.length} ${severity}`,
  );
  return `${open.length} ${open.length === 1 ? 'finding' : 'findings'}: ${counts.join(', ')}${also}`;
}
