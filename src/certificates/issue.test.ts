import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issueLeaf, issueRoot } from './issue.ts';
import { isNetwork, mayName } from './name-constraints.ts';
import { serialOf } from './serial-of.ts';

const now = 1_759_744_800;
const permitted = { dns: ['stack.internal'], uriHosts: ['stack.internal'], networks: ['10.1.0.0/16', 'fd00::/8'] };

test('a certificate never outlives its authority, and has a serial that nobody can guess', async () => {
  const root = await issueRoot('test', permitted, { notBefore: now, notAfter: now + 100 });
  const options = { service: 'aidb', trustDomain: 'stack.internal', hosts: [], notBefore: now, notAfter: now + 1000 };
  const leaves = [await issueLeaf(root, options), await issueLeaf(root, options)] as const;
  assert.equal(leaves[0].notAfter, now + 100);
  for (const { serial, certificate } of leaves) {
    assert.match(serial, /^1[0-9a-f]{32}$/);
    assert.equal(serialOf(certificate), serial);
  }
  assert.notEqual(leaves[0].serial, leaves[1].serial);
  assert.notEqual(leaves[0].privateKey, leaves[1].privateKey);
});

test('an authority may name what is below its names and within its networks, and nothing else', () => {
  const named = ['stack.internal', 'a.b.stack.internal', '10.1.2.3', 'fd12::1'];
  const others = ['evilstack.internal', 'internal', 'stack.internal.evil', '10.2.0.1', 'fe80::1', '*.stack.internalx'];
  assert.deepEqual(
    [...named, ...others].filter((host) => mayName(permitted, host)),
    named,
  );
  assert.deepEqual(
    ['10.0.0.0/8', '::/0', 'fd00::/8', '10.0.0.0', '10.0.0.0/33', 'a/8', '::1/129', '::ffff:1.2.3.4/96'].filter(
      isNetwork,
    ),
    ['10.0.0.0/8', '::/0', 'fd00::/8'],
  );
});
