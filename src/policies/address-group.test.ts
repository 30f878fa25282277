import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { addressGroup } from './address-group.ts';

test('an IPv4 client is counted by its address, however the socket writes it', () => {
  for (const written of ['10.0.0.7', '::ffff:10.0.0.7', '::ffff:0a00:0007', '0:0:0:0:0:ffff:10.0.0.7'])
    assert.equal(addressGroup(written), '10.0.0.7', written);
});

test('an IPv6 client is counted by its /64, however it is written', () => {
  const same = ['2001:db8::1', '2001:DB8:0:0::1', '2001:db8:0:0:ffff:ffff:ffff:ffff', '2001:0db8::', '2001:db8::%eth0'];
  for (const written of same) assert.equal(addressGroup(written), '2001:db8:0:0::/64', written);
  assert.equal(addressGroup('2001:db8:0:1::1'), '2001:db8:0:1::/64');
  assert.equal(addressGroup('::1'), '0:0:0:0::/64');
});

test('what is no address never becomes a key', () => {
  for (const text of ['', 'unix:', 'a'.repeat(10_000), '10.0.0.7, 10.0.0.8', '1.2.3'])
    assert.equal(addressGroup(text), 'unknown');
});

test('the last 64 bits of an IPv6 address never matter, and the first always do', () => {
  const word = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
  const half = fc.tuple(word, word, word, word);
  fc.assert(
    fc.property(half, half, half, (network, host, other) => {
      fc.pre(network.some((value) => value !== '0'));
      const one = `${network.join(':')}:${host.join(':')}`;
      fc.pre(isIPv6(one));
      assert.equal(addressGroup(one), addressGroup(`${network.join(':')}:${other.join(':')}`));
      assert.equal(addressGroup(one), `${network.join(':')}::/64`);
    }),
  );
});
