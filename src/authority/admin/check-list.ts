import { CHECKS, checkResults, type CheckResult } from '../../audit/check-result.ts';
import { rfc3339 } from '../../core/clock.ts';
import type { Exchange } from '../exchange.ts';

/** GET /admin/api/checks: the last result of each check that was kept; null where none was. */
export async function checkList({ stack }: Exchange): Promise<object> {
  const kept = await checkResults(stack.store.records, stack.clock());
  const of = (name: string): CheckResult | undefined => kept.find(({ check }) => check === name);
  return { checks: Object.fromEntries(CHECKS.map((name) => [name, shown(of(name))])) };
}

function shown(result: CheckResult | undefined): object | null {
  if (!result) return null;
  const { at, by, from, summary, findings, omitted } = result;
  return { at: rfc3339(at), by, from, summary, findings, omitted };
}
