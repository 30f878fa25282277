import type { RotationRule } from '../keys/rotate-due.ts';
import { fileTarget, redisTarget, type KeyTarget } from '../keys/targets/index.ts';
import type { DeliveryConfig, StackConfig } from './config.ts';

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
