import { counted } from '../../../audit/report/words.ts';
import {
  routeProposal,
  untaughtRoutes,
  type LeastTraffic,
  type RouteProposal,
} from '../../../compose/route-proposal.ts';
import { systemClock } from '../../../core/clock.ts';
import { recordedRows } from '../../../rollout/recorded.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { EXIT, usage } from '../../failure.ts';
import { keepBefore, replaceFile } from '../../replace-file.ts';
import { atWork, readConfigText } from '../../workplace.ts';

interface Draft extends RouteProposal, LeastTraffic {
  /** How many routes would be proposed if they were asked for more often; counted only where no change is proposed. */
  readonly untaught: number;
}

export async function learn(invocation: Invocation): Promise<number> {
  const { out, configFile } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '7d', 'since');
  const limits = {
    requestsMin: countOf(invocation, 'min-requests', 10),
    timesMin: countOf(invocation, 'min-times', 3),
  };
  const draft = await atWork(invocation, async ({ store }): Promise<Draft> => {
    const text = readConfigText(invocation);
    const proposed = (least: LeastTraffic): Promise<RouteProposal> => {
      const rows = recordedRows(store.decisions, systemClock() - since);
      return routeProposal(text, { file: configFile, env: invocation.env, rows, ...least });
    };
    const made = await proposed(limits);
    return { ...made, ...limits, untaught: await untaughtRoutes(made, proposed) };
  });
  const { diff, text, byHand, found } = draft;
  const writes = invocation.flag('apply') && !invocation.dryRun && diff !== '';
  const backup = writes ? keepBefore('learn', configFile) : null;
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

function say(draft: Draft, invocation: Invocation, backup: string | null): void {
  const { found, diff, byHand, untaught } = draft;
  const { out, configFile } = invocation;
  if (found.requests === 0)
    out.talk(
      'No proven caller was allowed in this time, so there is nothing to learn from. Is the mode report or enforce?',
    );
  else if (untaught > 0) out.talk(`${seldomWords(draft)} (--min-requests, --min-times).`);
  else if (diff === '' && byHand.length === 0)
    out.talk(
      `${configFile} says already all that ${counted(found.requests, 'request')} can teach. Try it: countersign simulate --enforce`,
    );
  for (const name of byHand)
    out.warn(
      `service ${name}, its routes or one of them cannot be changed line by line: write them so, or see --output json`,
    );
  if (backup !== null) out.talk(`${configFile} is written; what was there before is ${backup}`);
  else if (diff !== '')
    out.talk(
      'Nothing is changed yet. Try it: countersign learn > routes.diff, patch a copy, countersign simulate --against it. Write it, and keep the old one: countersign learn --apply',
    );
}

function seldomWords({ untaught, requestsMin, timesMin }: Draft): string {
  const often = requestsMin > 1 ? [`fewer than ${requestsMin} times`] : [];
  const spread = timesMin > 1 ? [`in fewer than ${timesMin} different minutes`] : [];
  const [were, teach] = untaught === 1 ? ['was', 'teaches'] : ['were', 'teach'];
  return `${counted(untaught, 'route')} ${were} asked for ${[...often, ...spread].join(' or ')} and ${teach} nothing yet`;
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
