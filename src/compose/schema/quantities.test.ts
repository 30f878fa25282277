import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { bytes, collide, listenAddress, reaches, seconds } from './quantities.ts';

test('reads durations and sizes, and nothing else', () => {
  assert.deepEqual(['60s', '5m', '24h', '90d', 7].map(seconds), [60, 300, 86_400, 7_776_000, 7]);
  assert.deepEqual(['10MiB', '1KiB', '1GiB', '5', '5B', 5].map(bytes), [10_485_760, 1024, 1_073_741_824, 5, 5, 5]);
  for (const text of ['', '0s', '-1s', '1.5h', '1 s', '60', '1w', '٣s', '1e3s', 0, -1, 0.5, Number.NaN])
    assert.equal(seconds(text), null, String(text));
  for (const text of ['', '0', '1MB', '1 KiB', '-1', 0, 1.5]) assert.equal(bytes(text), null, String(text));
});

test('reads addresses to listen on', () => {
  assert.deepEqual(listenAddress('[::1]:0'), { host: '::1', port: 0 });
  assert.deepEqual(listenAddress('LOCALHOST:80'), { host: 'localhost', port: 80 });
  for (const text of ['8700', ':8700', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '::1:80', 'a b:1', 'http://a:1'])
    assert.equal(listenAddress(text), null, text);
});

test('knows which connections would come back to us, and which listeners are in each other’s way', () => {
  const at = (text: string) => listenAddress(text) ?? assert.fail(text);
  const reached = (to: string, on: string) => reaches(at(to), at(on));
  assert.equal(reached('localhost:1', '127.0.0.1:1'), true);
  assert.equal(reached('127.0.0.1:1', '0.0.0.0:1'), true);
  assert.equal(reached('10.0.0.1:1', '127.0.0.1:1'), false);
  assert.equal(reached('10.0.0.1:1', '10.0.0.1:1'), true);
  assert.equal(reached('127.0.0.1:2', '127.0.0.1:1'), false);
  const collided = (a: string, b: string) => collide(at(a), at(b));
  assert.equal(collided('127.0.0.1:1', '0.0.0.0:1'), true);
  assert.equal(collided('127.0.0.1:1', 'localhost:1'), true);
  assert.equal(collided('127.0.0.1:1', '127.0.0.2:1'), false);
  assert.equal(collided('127.0.0.1:0', '127.0.0.1:0'), false);
});

test('property: no text makes a reader throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
      for (const read of [seconds, bytes, listenAddress]) read(text);
    }),
  );
});
