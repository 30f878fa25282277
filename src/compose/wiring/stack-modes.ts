import type { Trail } from '../../audit/chain/trail.ts';
import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import type { LiveKeyring } from '../../keys/keyring/keyring.ts';
import { modes, type Modes } from '../../rollout/modes.ts';
import { ramp, type Ramp } from '../../rollout/ramp/ramp.ts';
import { withdrawRamp } from '../../rollout/ramp/record.ts';
import type { StackConfig } from '../config.ts';
import type { Environment } from '../env.ts';
import { fileModes } from '../ramps/file-modes.ts';
import { hasKeyIn, isOurs } from '../ramps/known-callers.ts';
import type { Releases } from './releases.ts';

export interface StackModesOptions {
  readonly store: Store;
  readonly config: () => StackConfig;
  readonly environment: Environment;
  readonly keyring: LiveKeyring;
  readonly trail: Trail;
  readonly clock: Clock;
  readonly warn: (text: string) => void;
  readonly opened: Releases;
}

/** What is enforced: by mode, and step by step. Rejects when the store cannot be read. */
export async function stackModes(options: StackModesOptions): Promise<{ readonly levels: Modes; readonly ramp: Ramp }> {
  const { store, config, environment, keyring, trail, clock, warn, opened } = options;
  if (environment.clearsEnforcement) {
    await store.modes.clear(null, 'enforce');
    await withdrawRamp(store.records, clock, 'SERVICE_AUTH_ENFORCEMENT_MODE=false at a start');
  }
  const file = fileModes(config);
  const knows = (scope: string): boolean => file.scopes().some((known) => known.scope === scope);
  const levels = await modes({ store, file, environment: environment.mode, clock, knows, onWarning: warn });
  opened.add(() => levels.close());
  const stepwise = await ramp({
    store,
    clock,
    modes: levels,
    isOurs: (id) => isOurs({ config: config(), hasKey: hasKeyIn(keyring) }, id),
    onRolledBack({ plan, findings }, step) {
      warn(`ramp: step ${step + 1} is rolled back: ${findings.join('; ')}`);
      void trail.record({ type: 'ramp.rolled_back', subject: plan.name, detail: { step: step + 1, findings } });
    },
    onWarning: warn,
  });
  opened.add(() => stepwise.close());
  return { levels, ramp: stepwise };
}
