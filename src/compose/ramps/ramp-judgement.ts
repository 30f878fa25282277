import type { ModeSource } from '../../core/mode-source.ts';
import type { Store } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import type { LastingKey } from '../../rollout/ramp/ending-keys.ts';
import { evidenceOf, type Evidence } from '../../rollout/ramp/evidence.ts';
import { judge, type Judgement } from '../../rollout/ramp/gates.ts';
import { refusedByPassed } from '../../rollout/ramp/blame.ts';
import { isExempt, type Asker } from '../../rollout/ramp/plan.ts';
import type { RampState } from '../../rollout/ramp/state.ts';
import { knownCallers, type Acquaintance } from './known-callers.ts';

/** Twice, with the pause, within the lease of whoever asks. */
const healthMillis = 5000;
const healthPauseMillis = 2000;

export interface Judged extends Acquaintance {
  readonly store: Pick<Store, 'decisions' | 'keys' | 'usage'>;
  readonly modes: Pick<ModeSource, 'modeOf'>;
  /** Keys of callers that lie elsewhere than in the store. */
  readonly keysElsewhere?: readonly LastingKey[];
}

/** What the gates say of the step under way. Rejects when the store cannot be read. */
export async function judgementOf(parts: Judged, state: RampState, now: number): Promise<Judgement> {
  const { plan, step, since } = state;
  const hasPassed = refusedByPassed(state);
  const current = plan.steps[step];
  if (!current)
    return { answer: 'inconclusive', findings: ['there is no such step'], culprits: [], strangers: [], callers: [] };
  const evidence = await evidenceOf(parts.store, {
    step: current,
    since,
    until: now,
    knows: knownCallers(parts, plan.gates.claims),
    isExempt: (asker) => isExempt(plan.exempt, asker, now),
    isRefusedAnyway: (asker) => isEnforced(parts, asker) || hasPassed(asker),
    keysUntil: plan.gates.keyExpiry ? since + current.soakSeconds : null,
    keysElsewhere: parts.keysElsewhere ?? [],
    health: await healthOf(plan.gates.health),
  });
  return judge(plan, evidence);
}

/** By its mode, with every rule of this label, whatever the ramp does. */
function isEnforced({ modes, config }: Judged, { service, label }: Asker): boolean {
  const rules = config.services.find(({ name }) => name === service)?.rules.filter(({ path }) => path === label) ?? [];
  const fileModes = rules.length === 0 ? [null] : rules.map(({ mode }) => mode);
  return fileModes.every((mode) => modes.modeOf(service, label, mode) === 'enforce');
}

/** A single answer that is lost, or comes while a service starts anew, is no reason to go back: it is asked once more. */
async function healthOf(url: string | null): Promise<Evidence['health']> {
  if (url === null) return null;
  const first = await askedHealth(url);
  if (first === 'well') return first;
  await new Promise((resolve) => setTimeout(resolve, healthPauseMillis).unref());
  return askedHealth(url);
}

async function askedHealth(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(healthMillis), redirect: 'manual' });
    await answer.body?.cancel();
    return answer.ok ? 'well' : `it answers ${answer.status}`;
  } catch (error) {
    // fetch says of each that it failed, and why in the cause.
    return `it does not answer (${messageOf(error instanceof Error ? (error.cause ?? error) : error)})`;
  }
}
