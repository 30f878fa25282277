import { audit, type Audit, type AuditOptions } from '../../audit/audit.ts';
import type { Clock } from '../../core/clock.ts';
import type { DecisionKeeper, Store } from '../../core/store.ts';
import type { LiveKeyring } from '../../keys/keyring/keyring.ts';
import type { Ramp } from '../../rollout/ramp/ramp.ts';
import type { ConfigInForce } from './config-in-force.ts';
import type { Happenings } from './happenings.ts';
import type { Staleness } from './staleness.ts';

export interface StackAuditOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: ConfigInForce;
  readonly keyring: LiveKeyring;
  readonly staleness: Staleness;
  readonly ramp: Ramp;
  readonly happened: Happenings;
  readonly warn: (text: string) => void;
  readonly logLine?: (line: string) => void;
  readonly keeper?: DecisionKeeper | undefined;
  readonly workers?: AuditOptions['workers'];
}

/** Where the decisions of a running stack go, as its configuration says: that is taken up at a start only. */
export function stackAudit(options: StackAuditOptions): Audit {
  const { store, clock, config, keyring, staleness, ramp, happened, warn, logLine, keeper, workers = null } = options;
  const { log, rows, retainSeconds, retainRows } = config.config.audit;
  return audit({
    log: log && logLine ? logLine : null,
    store: rows ? (keeper ?? store.decisions) : null,
    usage: store.usage,
    retain: { seconds: retainSeconds, rows: retainRows },
    clock,
    knowsService: (name) => config.service(name) !== null,
    expiries: () => keyring.expiries(),
    ping: () => store.ping(),
    staleness,
    ramp() {
      const state = ramp.state();
      return state && { name: state.plan.name, status: state.status, step: state.step + 1 };
    },
    warn,
    workers,
    onDropped: happened.onDropped,
  });
}
