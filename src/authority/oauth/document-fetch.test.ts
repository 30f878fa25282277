import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stranger } from '../../../test/fixtures/stranger.ts';
import { documentFetch, isPublic } from './document-fetch.ts';

const addressed = (...answers: string[]) => {
  let asked = 0;
  return {
    asked: () => asked,
    lookup: (
      _name: string,
      _options: object,
      done: (error: null, found: { address: string; family: number }[]) => void,
    ) => {
      const address = answers[Math.min(asked, answers.length - 1)] ?? '';
      asked += 1;
      done(
        null,
        address.split(' ').map((each) => ({ address: each, family: each.includes(':') ? 6 : 4 })),
      );
    },
  };
};

for (const address of [
  '127.0.0.1',
  '127.8.8.8',
  '0.0.0.0',
  '10.1.2.3',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  'fe80::1',
  'fd00::1',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:db8::1',
]) {
  test(`${address} is not on the public internet`, () => assert.equal(isPublic(address), false));
}

test('public addresses are', () => {
  for (const address of ['93.184.215.14', '8.8.8.8', '2606:4700::1111', '2a00:1450:4001::1'])
    assert.equal(isPublic(address), true, address);
});

test('addresses written out, other schemes and other ports are refused without a connection', async () => {
  const { lookup, asked } = addressed('8.8.8.8');
  const get = documentFetch({ lookup });
  for (const url of [
    'https://127.0.0.1/client.json',
    'https://2130706433/client.json',
    'https://[::1]/client.json',
    'https://169.254.169.254/latest/meta-data',
    'http://client.example/client.json',
    'https://client.example:8443/client.json',
  ])
    await assert.rejects(get(url), { code: 'address_refused' }, url);
  assert.equal(asked(), 0);
});

test('a name that stands for an address within is refused, beside a public one too', async () => {
  for (const address of ['127.0.0.1', '169.254.169.254', '10.0.0.1', '8.8.8.8 127.0.0.1', '::1']) {
    const { lookup } = addressed(address);
    const error = await documentFetch({ lookup })('https://client.example/').then(
      () => null,
      (reason: unknown) => reason,
    );
    assert.equal((error as { cause?: { code?: string } }).cause?.code, 'address_refused', address);
  }
});

test('what is connected to is the address that was judged, and a redirect is not followed', async (t) => {
  const { port, ca, paths } = await stranger(t, () => ({ status: 302, location: 'https://169.254.169.254/latest' }));
  // The name means something else at every look: the second answer would lead within.
  const { lookup, asked } = addressed('127.0.0.1', '10.0.0.1');
  const get = documentFetch({ lookup, ca, mayReach: (address) => address === '127.0.0.1' });
  const answer = await get(`https://localhost:${port}/client.json`);
  assert.equal(answer.status, 302);
  assert.deepEqual(paths, ['/client.json']);
  assert.equal(asked(), 1);
});

test('an answer without end is cut off', async (t) => {
  const { port, ca } = await stranger(t, () => ({ body: Buffer.alloc(1_000_000, ' ') }));
  const { lookup } = addressed('127.0.0.1');
  const answer = await documentFetch({ lookup, ca, mayReach: () => true })(`https://localhost:${port}/`);
  await assert.rejects(answer.text());
});
