import { copyFileSync, constants, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseConfig } from '../../compose/load.ts';
import { rfc3339, systemClock } from '../../core/clock.ts';
import { learn as learned, type Learned } from '../../rollout/learn.ts';
import { applyEdits, unifiedDiff } from '../../rollout/line-diff.ts';
import { recordedRows } from '../../rollout/recorded.ts';
import { routeEdits } from '../../rollout/route-edits.ts';
import type { Invocation } from '../command.ts';
import { durationSeconds } from '../duration.ts';
import { EXIT, usage } from '../failure.ts';
import { replaceFile } from '../replace-file.ts';
import { atWork } from '../workplace.ts';

interface Draft {
  readonly found: Learned;
  readonly diff: string;
  readonly text: string;
  readonly byHand: readonly string[];
}

export async function learn(invocation: Invocation): Promise<number> {
  const { out, configFile } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '7d', 'since');
  const limits = {
    requestsMin: countOf(invocation, 'min-requests', 10),
    timesMin: countOf(invocation, 'min-times', 3),
  };
  const draft = await atWork(invocation, async ({ config, store }) => {
    const rows = recordedRows(store.decisions, systemClock() - since);
    return drafted(await learned({ rows, services: config.services, ...limits }), invocation);
  });
  const { diff, text, byHand, found } = draft;
  const writes = invocation.flag('apply') && !invocation.dryRun && diff !== '';
  const backup = writes ? keepBefore(configFile) : null;
  if (writes) replaceFile(configFile, text);
  if (invocation.json) {
    const { proposals, public_looking, matrix, requests } = found;
    out.json({ requests, diff, proposals, public_looking, by_hand: byHand, matrix, written: writes, backup });
    return EXIT.done;
  }
  for (const line of diff.trimEnd().split('\n')) if (diff !== '') out.line(styled(line, invocation));
  say(draft, invocation, backup);
  return EXIT.done;
}

function drafted(found: Learned, { configFile, env }: Invocation): Draft {
  const text = readFileSync(configFile, 'utf8');
  const { edits, lines, byHand } = routeEdits(text, found);
  const changed = `${applyEdits(lines, edits).join('\n')}\n`;
  // Whatever was learned, the file must still say what its reader and its checks expect.
  if (edits.length > 0) parseConfig(changed, { file: configFile, env, keyHolders: 'unchecked' });
  return { found, text: changed, byHand, diff: unifiedDiff(basename(configFile), lines, edits) };
}

function keepBefore(configFile: string): string {
  const backup = `${configFile}.before-learn-${rfc3339(systemClock()).replaceAll(':', '')}`;
  copyFileSync(configFile, backup, constants.COPYFILE_EXCL);
  return backup;
}

function say({ found, diff, byHand }: Draft, invocation: Invocation, backup: string | null): void {
  const { out, configFile } = invocation;
  if (found.requests === 0)
    out.talk(
      'No proven caller was allowed in this time, so there is nothing to learn from. Is the mode report or enforce?',
    );
  else if (diff === '') out.talk(`${found.requests} requests say nothing that ${configFile} does not say already.`);
  for (const name of byHand)
    out.warn(
      `service ${name} is written in one line, or its routes are: write them line by line, or see --output json`,
    );
  if (backup !== null) out.talk(`${configFile} is written; what was there before is ${backup}`);
  else if (diff !== '')
    out.talk(
      'Nothing is changed yet. Try it: countersign learn > routes.diff, patch a copy, countersign simulate --against it',
    );
}

function styled(line: string, { out }: Invocation): string {
  if (line.startsWith('+')) return out.paint('green', line);
  return line.startsWith('-') ? out.paint('red', line) : line;
}

function countOf(invocation: Invocation, option: string, whenUnset: number): number {
  const text = invocation.text(option);
  if (text === null) return whenUnset;
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw usage(`--${option} is a whole number from 1 on, and "${text}" is not`);
  return Number(text);
}
