import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { addressList } from './address.ts';
import { clientAddress } from './client-address.ts';

const trusted = addressList(['127.0.0.1/32', '10.0.0.0/8', 'fd00::/8']);

describe('the client address', () => {
  const cases: readonly (readonly [peer: string, lines: readonly string[], address: string])[] = [
    ['192.0.2.1', ['203.0.113.9'], '192.0.2.1'],
    ['::ffff:192.0.2.1', [], '192.0.2.1'],
    ['127.0.0.1', [], '127.0.0.1'],
    ['127.0.0.1', ['203.0.113.9'], '203.0.113.9'],
    ['127.0.0.1', ['198.51.100.1, 203.0.113.9'], '203.0.113.9'],
    ['127.0.0.1', ['198.51.100.1', '203.0.113.9, 10.1.2.3'], '203.0.113.9'],
    ['127.0.0.1', ['203.0.113.9:4711'], '203.0.113.9'],
    ['127.0.0.1', ['[2001:db8::1]:4711'], '2001:db8::1'],
    ['127.0.0.1', ['2001:db8::1'], '2001:db8::1'],
    ['fd00::1', ['2001:db8::1'], '2001:db8::1'],
    ['127.0.0.1', ['203.0.113.9, unknown'], '127.0.0.1'],
    ['127.0.0.1', ['203.0.113.9, nonsense, 10.0.0.1'], '10.0.0.1'],
    ['127.0.0.1', ['10.0.0.2, 10.0.0.1'], '10.0.0.2'],
    ['127.0.0.1', ['203.0.113.9,'], '127.0.0.1'],
  ];
  for (const [peer, lines, address] of cases) {
    it(`of ${peer} with ${JSON.stringify(lines)} is ${address}`, () =>
      assert.equal(clientAddress(peer, lines, trusted), address));
  }

  it('never comes from what the client wrote itself', () => {
    fc.assert(
      fc.property(fc.string(), (forged) => {
        assert.equal(clientAddress('127.0.0.1', [`${forged}, 203.0.113.9`], trusted), '203.0.113.9');
        assert.equal(clientAddress('203.0.113.9', [forged], trusted), '203.0.113.9');
      }),
    );
  });
});
