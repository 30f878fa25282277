import type { Store } from '../core/store.ts';
import { evidenceOf, type Evidence } from '../rollout/ramp/evidence.ts';
import { judge, type Judgement } from '../rollout/ramp/gates.ts';
import { isExempt } from '../rollout/ramp/plan.ts';
import type { RampState } from '../rollout/ramp/state.ts';
import { knownCallers, type Acquaintance } from './known-callers.ts';

const healthMillis = 5000;

/** What the gates say of the step under way. Rejects when the store cannot be read. */
export async function judgementOf(
  parts: Acquaintance & { readonly store: Pick<Store, 'decisions' | 'keys'> },
  { plan, step, since }: RampState,
  now: number,
): Promise<Judgement> {
  const current = plan.steps[step];
  if (!current) return { answer: 'inconclusive', findings: ['there is no such step'], culprits: [] };
  const evidence = await evidenceOf(parts.store, {
    step: current,
    since,
    until: now,
    knows: knownCallers(parts, plan.gates.claims),
    isExempt: (asker) => isExempt(plan.exempt, asker, now),
    keysUntil: plan.gates.keyExpiry ? since + current.soakSeconds : null,
    health: await healthOf(plan.gates.health),
  });
  return judge(plan, evidence);
}

async function healthOf(url: string | null): Promise<Evidence['health']> {
  if (url === null) return null;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(healthMillis), redirect: 'error' });
    await answer.body?.cancel();
    return answer.ok ? 'well' : `it answers ${answer.status}`;
  } catch (error) {
    return `it does not answer (${error instanceof Error ? error.message : String(error)})`;
  }
}
