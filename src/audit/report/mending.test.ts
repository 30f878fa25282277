import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adviceFor } from './mending.ts';

const subject = { name: 'aidb', service: 'embeddings', route: '/embed', requestId: 'k3f9-1', isShared: false };

test('who shows a key that was ended is not sent for an API key where it signs, nor for another where it has one', () => {
  for (const reason of ['revoked', 'expired']) {
    const { what, commands } = adviceFor(reason, subject);
    assert.match(what, /has a newer one, see that it reads it/);
    assert.deepEqual(commands, [
      'countersign keys list aidb --all',
      'countersign keys create aidb --kind KIND --to FILE',
    ]);
  }
});
