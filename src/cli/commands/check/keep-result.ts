import { keepCheckResult, type CheckFinding, type CheckName } from '../../../audit/check-result.ts';
import { systemClock } from '../../../core/clock.ts';
import { commandActor } from '../../command-actor.ts';
import type { Invocation } from '../../command.ts';
import type { Workplace } from '../../workplace.ts';

/** Keeps what a check found in the store, where the dashboard shows it. The findings hold no secret. */
export async function keepResult(
  check: CheckName,
  summary: string,
  findings: readonly CheckFinding[],
  { store, record }: Workplace,
  { env, out }: Invocation,
): Promise<void> {
  const { id, from } = commandActor(env);
  await keepCheckResult(store.records, { check, at: systemClock(), by: id, from, summary, findings });
  await record({ type: 'check.recorded', subject: check, detail: { findings: findings.length } });
  out.talk('The dashboard shows this as the last result.');
}
