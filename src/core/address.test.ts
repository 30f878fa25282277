import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { addressList, cidrFault, plainAddress } from './address.ts';

test('an address list holds what its CIDRs cover, and nothing else', () => {
  const list = addressList(['10.0.0.0/8', '192.168.1.7', 'fd00::/8', '2001:db8::1']);
  for (const address of ['10.0.0.0', '10.255.255.255', '192.168.1.7', 'fd12::9', '2001:db8::1', '2001:DB8:0::1'])
    assert.equal(list.contains(address), true, address);
  for (const address of [
    '9.255.255.255',
    '11.0.0.0',
    '192.168.1.8',
    'fe80::1',
    '2001:db8::2',
    '',
    'localhost',
    '10.0.0.1:80',
    '10.0.0',
    '010.0.0.1',
  ])
    assert.equal(list.contains(address), false, address);
});

test('an empty list holds nothing', () => {
  assert.equal(addressList([]).contains('127.0.0.1'), false);
});

test('an IPv4 address on a dual-stack socket is the same address', () => {
  assert.equal(plainAddress('::ffff:10.0.0.7'), '10.0.0.7');
  assert.equal(plainAddress('::ffff:0:1'), '::ffff:0:1');
  assert.equal(plainAddress('::1'), '::1');
  assert.equal(addressList(['10.0.0.0/8']).contains('::ffff:10.0.0.7'), true);
  assert.equal(addressList(['0.0.0.0/0']).contains('::1'), false);
  assert.equal(addressList(['::/0']).contains('::1'), true);
});

test('a zero prefix covers its family', () => {
  const list = addressList(['0.0.0.0/0']);
  fc.assert(fc.property(fc.ipV4(), (address) => list.contains(address)));
});

test('what is no CIDR is refused when the list is built, with what to write instead', () => {
  const faulty = ['', 'localhost', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8', '10.0.0.0/8 ', '*', '::/129',
    'fe80::1%eth0', '10.0.0.256', '10.0.0.0/a', '1.2.3.4/1e1']; // prettier-ignore
  for (const cidr of faulty) {
    assert.match(cidrFault(cidr) ?? '', /write for example/, cidr);
    assert.throws(() => addressList([cidr]), TypeError, cidr);
  }
  for (const cidr of ['10.0.0.0/8', '10.0.0.7', '0.0.0.0/0', '::/0', '::1', '2001:db8::/128', '::ffff:10.0.0.0/104'])
    assert.equal(cidrFault(cidr), null, cidr);
});
