import { afterEach, beforeEach, describe, test } from 'node:test';
import { decisionsContract } from './decisions.contract.ts';
import { eventsContract } from './events.contract.ts';
import { keysContract } from './keys.contract.ts';
import { leaseContract } from './lease.contract.ts';
import { limitsContract } from './limits.contract.ts';
import { modesContract } from './modes.contract.ts';
import { recordsContract } from './records.contract.ts';
import { rollupsContract } from './rollups.contract.ts';
import { tokensContract } from './tokens.contract.ts';
import { usageContract } from './usage.contract.ts';
import { watchingContract } from './watching.contract.ts';
import { wholeContract } from './whole.contract.ts';
import type { StoreUnderTest } from './store.fixtures.ts';

export interface ContractOptions {
  readonly make: () => Promise<StoreUnderTest>;
  /** Whether several processes can share its state; false for memory alone. */
  readonly shared: boolean;
  /** See ContractGround. */
  readonly remote?: boolean;
}

/** The specification of a store (core/store.ts), to be run against each: a part for each of its verbs' kinds. */
export function storeContract(name: string, { make, shared, remote = false }: ContractOptions): void {
  describe(`${name} keeps the store contract`, () => {
    let made: StoreUnderTest;
    beforeEach(async () => {
      made = await make();
      await made.store.migrate();
    });
    afterEach(async () => {
      await made.store.close();
      await made.dispose();
    });

    const ground = {
      under: () => made,
      // Not skipped but absent: there is nothing that could be installed to make it run.
      sharing: (what: string, work: () => Promise<void>) => void (shared && test(what, work)),
      remote,
    };
    keysContract(ground);
    tokensContract(ground);
    modesContract(ground);
    limitsContract(ground);
    decisionsContract(ground);
    rollupsContract(ground);
    usageContract(ground);
    recordsContract(ground);
    eventsContract(ground);
    leaseContract(ground);
    watchingContract(ground);
    wholeContract(ground);
  });
}
