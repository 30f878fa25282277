import { report as reportOf } from '../../audit/report.ts';
import { reportText } from '../../audit/report-text.ts';
import { systemClock } from '../../core/clock.ts';
import type { DecisionStore } from '../../core/store.ts';
import type { Invocation } from '../command.ts';
import { durationSeconds } from '../duration.ts';
import { EXIT, refused } from '../failure.ts';
import { atWork } from '../workplace.ts';

export async function report(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '24h', 'since');
  const service = invocation.text('service');
  return atWork(invocation, async ({ config, store }) => {
    if (service !== null && !config.services.some(({ name }) => name === service)) {
      throw refused(`no service "${service}" is configured`);
    }
    const now = systemClock();
    const decisions = service === null ? store.decisions : onlyOf(store.decisions, service);
    // What happened within this second is part of the report.
    const result = await reportOf(decisions, { since: now - since, until: now + 1 });
    if (invocation.json) out.json(result);
    else for (const line of reportText(result).split('\n')) out.line(styled(line, invocation));
    if (!config.audit.rows)
      out.warn('decisions are not kept in the store (audit.rows is false), so a report has nothing to go by');
    return EXIT.done;
  });
}

function onlyOf(decisions: DecisionStore, service: string): DecisionStore {
  return {
    ...decisions,
    groups: async (since, until) => (await decisions.groups(since, until)).filter((group) => group.service === service),
  };
}

function styled(line: string, { out }: Invocation): string {
  if (line.startsWith('Ready to enforce')) return out.paint('green', line);
  if (line.startsWith('Not ready') || line.startsWith('Nothing can be said')) return out.paint('yellow', line);
  return /^(?:Would be refused|Was refused|Callers)$/.test(line) ? out.paint('bold', line) : line;
}
