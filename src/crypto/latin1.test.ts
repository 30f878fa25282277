import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeLatin1 } from './latin1.ts';

test('so many characters are written, a byte each, and nothing beside them, by either way of Buffer', async () => {
  const own = Object.getOwnPropertyDescriptor(Buffer.prototype, 'latin1Write');
  assert.ok(own, 'this Node has no latin1Write: the quicker way is gone');
  delete (Buffer.prototype as { latin1Write?: unknown }).latin1Write;
  const another = './latin1.ts?documented';
  const documented = ((await import(another)) as { writeLatin1: typeof writeLatin1 }).writeLatin1;
  Object.defineProperty(Buffer.prototype, 'latin1Write', own);
  assert.notEqual(documented, writeLatin1);
  for (const write of [writeLatin1, documented]) {
    const bytes = Buffer.alloc(6, 0xee);
    write(bytes, 'aÿ\u0161z', 1, 3);
    assert.deepEqual([...bytes], [0xee, 0x61, 0xff, 0x61, 0xee, 0xee]);
    write(bytes, '', 6, 0);
    assert.deepEqual([...bytes], [0xee, 0x61, 0xff, 0x61, 0xee, 0xee]);
  }
});
