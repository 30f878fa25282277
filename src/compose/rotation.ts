import { lease, type Lease } from '../core/lease.ts';
import type { RecordStore } from '../core/record.ts';
import { uuid } from '../crypto/random.ts';
import type { RotationRule } from '../keys/rotation/rotate-due.ts';
import { fileTarget, redisTarget, type KeyTarget } from '../keys/targets/index.ts';
import type { DeliveryConfig, StackConfig } from './config.ts';

/** How long every verifier is given to hear of a new key before its caller gets it: feeds bring it within some hundredths. */
export const settleMillis = 1000;

export function rotationRule(config: StackConfig, caller: string): RotationRule {
  const service = config.services.find(({ name }) => name === caller);
  const delivery = config.deliver.get(caller);
  return {
    everySeconds: service?.rotateEverySeconds ?? config.rotateEverySeconds,
    graceSeconds: service?.rotateGraceSeconds ?? config.rotateGraceSeconds,
    target: delivery ? targetOf(delivery, caller) : null,
  };
}

/** Whether any caller's keys are to be rotated by age. */
export function rotates(config: StackConfig): boolean {
  return (
    config.rotateEverySeconds !== null || config.services.some(({ rotateEverySeconds }) => rotateEverySeconds !== null)
  );
}

function targetOf(delivery: DeliveryConfig, caller: string): KeyTarget {
  switch (delivery.kind) {
    case 'file':
      return fileTarget({ path: delivery.path, form: 'key' });
    case 'envFile':
      return fileTarget({ path: delivery.path, form: 'env' });
    case 'redis':
      return redisTarget({ url: delivery.url, service: caller });
  }
}

/** Well above what clocks differ by, and short enough that what a killed process left is taken up soon. */
const leaseSeconds = 20;

/** One process at a time delivers keys. */
export function rotationLease(records: RecordStore): Lease {
  return lease({ records, name: 'rotation', holder: uuid(), seconds: leaseSeconds });
}
