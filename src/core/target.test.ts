import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { parseTarget, routeKey } from './target.ts';

function pathOf(target: string): string {
  const parsed = parseTarget(target);
  assert.ok(parsed.ok, `${target} was refused: ${parsed.ok ? '' : parsed.note}`);
  return parsed.path;
}

test('ordinary targets are accepted as they are', () => {
  const ordinary = [
    '/', '/embed', '/embed/', '/v1/models/llama3:8b/load', '/api/files/r%C3%A9sum%C3%A9.pdf', '/a.b/c..d/e...f',
    "/it's/(all)/fine!$&*+,=@~_-", '/.well-known/oauth-protected-resource', '/a%20b', '/100%25', '/user@example.com', '/...',
    '/a%3Ab', '/%5Bx%5D',
  ]; // prettier-ignore
  for (const target of ordinary) assert.equal(pathOf(target), target);
});

test('the query is kept exactly, and an empty one too', () => {
  assert.deepEqual(parseTarget("/a?b=%2e%2e//c\\d'&e=;?"), { ok: true, path: '/a', query: "?b=%2e%2e//c\\d'&e=;?" });
  assert.deepEqual(parseTarget('/a?'), { ok: true, path: '/a', query: '?' });
  assert.deepEqual(parseTarget('/a'), { ok: true, path: '/a', query: '' });
});

test('unreserved characters are decoded and hex digits written in upper case (RFC 3986 §6.2.2)', () => {
  assert.equal(pathOf('/%61dmin'), '/admin');
  assert.equal(pathOf('/%7Euser'), '/~user');
  assert.equal(pathOf('/r%c3%a9sum%C3%A9'), '/r%C3%A9sum%C3%A9');
  assert.equal(pathOf('/a%2Eb'), '/a.b');
});

test('what two programs could read differently is refused', () => {
  const attacks = [
    '', '*', 'embed', 'http://evil/', 'http://127.0.0.1/embed', '?a=b', '//evil/embed', '/a//b', '/a//', '//',
    '/..', '/.', '/../a', '/a/..', '/a/../b', '/a/./b', '/a/.', '/a/%2e%2e/b', '/a/%2E./b', '/a/.%2e', '/%2e', '/%2e/a',
    '/a/..;/b', '/a;x=1/b', '/a/..%3b/b', '/a%3Bx', '/;/a',
    '/a%2fb', '/a%2Fb', '/a/..%2f..%2fb', '/a\\b', '/a\\..\\b', '/a%5cb', '/a%5C..%5Cb',
    '/a%00', '/a%00.png', '/a%0d%0aX: y', '/a%0a', '/a%7f', '/a%09', '/a%1Fb',
    '/a%252fb', '/a%252e%252e/b', '/a%25252e', '/%2525%32%65', '/a%255cb', '/a%2500', '/%25%32e%25%32e/a', '/a%25%32f', '/%25%35c',
    '/a%', '/a%2', '/a%zz', '/a%-1', '/a%u002e', '/a%C0%AE%C0%AE/b', '/a%c0%af', '/a%E0%80%AF', '/a%FF', '/a%ED%A0%80', '/a%C3',
    '/a#b', '/a%23b', '/a?b#c', '/a%3fb', '/a b', '/a\tb', '/a\u0000b', '/a\u007fb', '/a\u00e9b', '/a\u2215b', '/a\uff0eb', '/a?b c',
    '/a?\u00e9', '/a?b\nc', `/${'a'.repeat(20_000)}`,
  ]; // prettier-ignore
  for (const target of attacks) assert.equal(parseTarget(target).ok, false, JSON.stringify(target));
});

test('a refusal says why, without repeating the target', () => {
  for (const target of ['/a\\s3cret', '/s3cret//', '/s3cret/..', '/s3cret%zz', '/s3cret;x', 's3cret', '/a?s3cret#']) {
    const parsed = parseTarget(target);
    assert.ok(!parsed.ok && parsed.note.length > 10 && !parsed.note.includes('s3cret'), target);
  }
});

/** Targets made of what attacks are made of, so that many are nearly right. */
const piece = fc.constantFrom(
  '/', '/', '/', 'a', 'b', '.', '..', '%2e', '%2E', '%2f', '%5c', '%25', '%252e', '%00', '%C3%A9', '%c3', '%61', '%3A', ':', ';', '\\',
  '#', '?', ' ', '%', '~', '%7e', '2e', '2f', '%32', '%65', 'admin', '%ef%bc%8e',
); // prettier-ignore
const nearlyRight = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join('')}`);
const anyTarget = fc.oneof(
  { weight: 5, arbitrary: nearlyRight },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

test('whatever is accepted means one thing, however often it is decoded', () => {
  fc.assert(
    fc.property(anyTarget, (target) => {
      const parsed = parseTarget(target);
      if (!parsed.ok) return;
      const once = decoded(parsed.path);
      for (const reading of [parsed.path, once, decoded(once)]) {
        assert.ok(reading.startsWith('/'), reading);
        assert.ok(!reading.includes('//'), reading);
        assert.ok(!reading.split('/').some((segment) => segment === '.' || segment === '..'), reading);
        // eslint-disable-next-line no-control-regex
        assert.ok(!/[\\;#?\u0000-\u001f\u007f]/.test(reading), reading);
        assert.equal(reading.split('/').length, parsed.path.split('/').length, reading);
      }
    }),
    { numRuns: 5000 },
  );
});

test('parsing what was parsed changes nothing', () => {
  fc.assert(
    fc.property(anyTarget, (target) => {
      const parsed = parseTarget(target);
      if (!parsed.ok) return;
      assert.deepEqual(parseTarget(parsed.path + parsed.query), parsed);
    }),
    { numRuns: 5000 },
  );
});

test('what WHATWG URL would rewrite is either refused or read the same', () => {
  fc.assert(
    fc.property(anyTarget, (target) => {
      const parsed = parseTarget(target);
      if (!parsed.ok) return;
      const { pathname } = new URL(`http://host${parsed.path}`);
      assert.equal(decoded(pathname), decoded(parsed.path));
    }),
    { numRuns: 5000 },
  );
});

test('a route key is the same for a character and its encoding, and never joins two segments', () => {
  assert.equal(routeKey('/a%3Ab'), '/a:b');
  assert.equal(routeKey('/a%20b'), '/a%20b');
  assert.equal(routeKey('/100%2541'), '/100%2541');
  fc.assert(
    fc.property(nearlyRight, (target) => {
      const parsed = parseTarget(target);
      if (parsed.ok) assert.equal(routeKey(parsed.path).split('/').length, parsed.path.split('/').length);
    }),
  );
});
