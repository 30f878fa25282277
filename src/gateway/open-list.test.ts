import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { OpenList, type Listed } from './open-list.ts';

it('holds what a Set would hold, whatever comes and goes', () => {
  const steps = fc.array(fc.record({ item: fc.nat(9), add: fc.boolean() }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (taken) => {
      const items: Listed[] = Array.from({ length: 10 }, () => ({ place: -1 }));
      const list = new OpenList<Listed>();
      const set = new Set<Listed>();
      for (const { item, add } of taken) {
        const one = items[item] as Listed;
        if (!add) {
          list.delete(one);
          set.delete(one);
        } else if (!set.has(one)) {
          list.add(one);
          set.add(one);
        }
        assert.deepEqual(new Set(list.all()), set);
        assert.equal(list.all().length, set.size);
      }
    }),
  );
});
