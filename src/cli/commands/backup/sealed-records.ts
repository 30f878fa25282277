import { sealedSigningKeys } from '../../../authority/oauth/signing-keys.ts';
import type { Sealing } from '../../../backup/read-state.ts';
import { sealedAuthorities } from '../../../certificates/internal-ca.ts';
import type { StackConfig } from '../../../compose/config.ts';
import { sealedSecondFactors } from '../../../operators/second-factor.ts';
import type { Invocation } from '../../command.ts';
import { sealOf } from '../../workplace.ts';

/** Every secret that a stack keeps sealed in its store, beside its keys. */
export function sealingOf(config: StackConfig, invocation: Invocation): Sealing {
  return {
    seal: () => sealOf(config, invocation),
    sealedRecords: [sealedSecondFactors, ...sealedSigningKeys, sealedAuthorities],
  };
}
