import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { lease, type Lease } from '../core/lease.ts';
import type { Store } from '../core/store.ts';
import { t0, type ContractGround } from './store.fixtures.ts';

export function leaseContract({ under }: ContractGround): void {
  describe('a lease', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('belongs to one of many, who may renew it', async () => {
      const contenders = Array.from({ length: 10 }, (_, index) => leaseOf(store, `holder-${index}`));
      const taken = await Promise.all(contenders.map((contender) => contender.take(t0)));
      assert.equal(taken.filter(Boolean).length, 1);
      const holder = contenders[taken.indexOf(true)] as Lease;
      assert.equal(await holder.take(t0 + 9), true);
      const later = await Promise.all(contenders.map((contender) => contender.take(t0 + 18)));
      assert.deepEqual(later, taken);
    });

    test('passes on when it ends or is given up, and is not taken back by who lost it', async () => {
      const [first, second] = [leaseOf(store, 'first'), leaseOf(store, 'second')];
      assert.equal(await first.take(t0), true);
      assert.equal(await second.take(t0 + 9), false);
      assert.equal(await second.take(t0 + 10), true);
      assert.equal(await first.take(t0 + 10), false);
      await first.release(t0 + 10);
      assert.equal(await first.take(t0 + 11), false, 'who lost it releases nothing');
      await second.release(t0 + 11);
      assert.equal(await first.take(t0 + 11), true);
    });

    test('that has ended is taken again at once by who held it', async () => {
      const holder = leaseOf(store, 'holder');
      assert.equal(await holder.take(t0), true);
      assert.equal(await holder.take(t0 + 60), true);
    });

    test('that a clock far ahead left behind is taken over once nobody has renewed it for five minutes', async () => {
      const [ahead, near, right] = ['ahead', 'near', 'right'].map((holder) => leaseOf(store, holder)) as [
        Lease,
        Lease,
        Lease,
      ];
      const day = 86_400;
      assert.equal(await ahead.take(t0 + day), true);
      assert.equal(await right.take(t0), false);
      // Whose clock is behind must not take it from one that is right.
      assert.equal(await ahead.take(t0 + day + 200), true);
      assert.equal(await right.take(t0 + 301), false);
      assert.equal(await right.take(t0 + 601), false);
      assert.equal(await right.take(t0 + 602), true);
      assert.equal(await ahead.take(t0 + 603), false, 'its clock was set right');
      await right.release(t0 + 603);
      assert.equal(await near.take(t0 + 800), true);
      assert.equal(await right.take(t0 + 603), false, 'a clock that differs a little');
    });

    test('is recognised by a holder whose answer was lost', async () => {
      assert.equal(await leaseOf(store, 'first').take(t0), true);
      assert.equal(await leaseOf(store, 'first').take(t0 + 1), true);
    });
  });
}

function leaseOf({ records }: Store, holder: string): Lease {
  return lease({ records, name: 'ramp', holder, seconds: 10 });
}
