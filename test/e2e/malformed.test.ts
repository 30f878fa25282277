/**
 * Ten thousand broken requests over real sockets: each is answered with a 4xx, none with a 5xx, none reaches an upstream, and
 * the program is as well afterwards as before.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../fixtures/properties.ts';
import { mintKey } from '../../src/crypto/key-format.ts';
import { sendRaw, startProgram, startUpstream } from './program.ts';

const adminToken = 'an-admin-token-of-a-fair-length-0123456789';
const requestsMin = 10_000;
const parallel = 24;

const crlf = '\r\n';

/** Printable ASCII and the odd raw byte, without line ends: what a header value could be made of. */
const junk = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 80,
});
const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.~'), minLength: 1, maxLength: 12 });
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS');

/** A minted key with one character changed somewhere, or cut off: never a valid one. */
const brokenKey = fc
  .record({ kind: fc.constantFrom('sk', 'hs', 'st', 'ad' as const), at: fc.nat(60), cut: fc.boolean() })
  .map(({ kind, at, cut }) => {
    const { key } = mintKey(kind as 'sk');
    if (cut) return key.slice(0, at);
    const swapped = key.charAt(at) === 'x' ? 'y' : 'x';
    return key.slice(0, at) + swapped + key.slice(at + 1);
  });

const credential = fc.oneof(
  junk.map((text) => `Authorization: ${text}`),
  junk.map((text) => `Authorization: Bearer ${text}`),
  brokenKey.map((key) => `Authorization: Bearer ${key}`),
  brokenKey.map((key) => `x-api-key: ${key}`),
  junk.map((text) => `x-api-key: ${text}`),
  fc.uuid().map((id) => `Authorization: Bearer ${id}`),
  fc.tuple(junk, junk).map(([a, b]) => `Authorization: Bearer ${a}${crlf}Authorization: Bearer ${b}`),
  fc
    .tuple(
      junk,
      fc.oneof(junk, fc.integer().map(String)),
      fc.oneof(junk, fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })),
    )
    .map(
      ([id, time, mac]) => `X-Service-ID: ${id}${crlf}X-Service-Timestamp: ${time}${crlf}X-Service-Signature: ${mac}`,
    ),
  junk.map((text) => `X-Service-ID: ${text}`),
  junk.map((text) => `X-Forwarded-For: ${text}${crlf}X-Auth-Principal: operator:admin`),
);

const path = fc.oneof(
  word.map((text) => `/echo/${text}`),
  fc.constantFrom(
    '/echo/../auth',
    '/echo/%2e%2e/x',
    '/echo//x',
    '/echo/a%2fb',
    '/echo/..;/x',
    '/echo/%252e',
    '/echo/a\\b',
    '/echo/%',
    '/echo/%00',
    '/echo/#x',
  ),
  junk.map((text) => `/echo/${text.replaceAll(' ', '')}`),
  junk.map((text) => text.replaceAll(' ', '') || '*'),
  word.map((text) => `http://evil.example/${text}`),
);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const brokenJson = fc.oneof(
  // Now and then what is drawn closes the brace, and an empty object is a right request.
  junk.map((text) => `{${text}`).filter((text) => !isJson(text)),
  fc.constant('['.repeat(5_000)),
  fc.constant('{"metadata":'.repeat(2_000)),
  fc.json({ maxDepth: 2 }).filter((text) => !/^\s*[{n]/.test(text)),
  fc.constantFrom(
    '{"ttl_hours":"x"}',
    '{"ttl_hours":-1}',
    '{"ttl_hours":1e999}',
    '{"scopes":"a"}',
    '{"scopes":[1]}',
    '{"allowed_ips":["10.0.0.0/99"]}',
    '{"nope":1}',
    '{"metadata":[]}',
    '{"__proto__":1}',
  ),
);

const onService = fc
  .tuple(method, path, credential, fc.option(junk, { nil: undefined }))
  .map(
    ([verb, target, header, extra]) =>
      `${verb} ${target} HTTP/1.1${crlf}Host: 127.0.0.1${crlf}${header}${crlf}${extra === undefined ? '' : `X-Extra: ${extra}${crlf}`}Content-Length: 0${crlf}Connection: close${crlf}${crlf}`,
  );

const onAuthority = brokenJson.map((body) => {
  const length = Buffer.byteLength(body, 'latin1');
  return `POST /auth/token HTTP/1.1${crlf}Host: 127.0.0.1${crlf}Authorization: Bearer ${adminToken}${crlf}Content-Type: application/json${crlf}Content-Length: ${length}${crlf}Connection: close${crlf}${crlf}${body}`;
});

const framing = fc
  .tuple(
    fc.constantFrom(
      `Content-Length: 5${crlf}Transfer-Encoding: chunked`,
      `Content-Length: 1${crlf}Content-Length: 2`,
      'Content-Length: -1',
      'Content-Length: 0x5',
      'Transfer-Encoding: chunked, identity',
      'Transfer-Encoding: xchunked',
      `X-A: b${crlf} folded: c`,
      'Bad Name: x',
      `Host: other.example`,
    ),
    word,
  )
  .map(
    ([lines, text]) => `POST /echo/${text} HTTP/1.1${crlf}Host: 127.0.0.1${crlf}${lines}${crlf}${crlf}0${crlf}${crlf}`,
  );

const noise = fc.oneof(
  junk.map((text) => `${text}${crlf}${crlf}`),
  word.map((text) => `${text} / HTTP/1.1${crlf}Host: x${crlf}${crlf}`),
  word.map((text) => `GET /echo/${text} HTTP/9.9${crlf}Host: x${crlf}${crlf}`),
  word.map((text) => `GET /echo/${text} HTTP/1.1${crlf}${crlf}`),
  fc.constant(`GET /echo/x HTTP/1.1${crlf}Host: x${crlf}X-Long: ${'a'.repeat(40_000)}${crlf}${crlf}`),
);

test(
  'ten thousand malformed requests are refused, harm nothing and reach no upstream',
  { timeout: 180_000 },
  async (t) => {
    const upstream = await startUpstream(t);
    const program = await startProgram(t, {
      yaml: `mode: enforce\nservices:\n  echo:\n    upstream: ${upstream.url}\n`,
      env: { AUTH_ADMIN_TOKEN: adminToken },
    });
    const samples = [
      ...fc.sample(onService, { numRuns: 7_000 }),
      ...fc.sample(onAuthority, { numRuns: 1_500 }),
      ...fc.sample(framing, { numRuns: 750 }),
      ...fc.sample(noise, { numRuns: 750 }),
    ];
    assert.ok(samples.length >= requestsMin);

    const statuses = new Map<number, number>();
    const wrong: string[] = [];
    const rest = samples.values();
    const worker = async (): Promise<void> => {
      for (const bytes of rest) {
        const { status, text } = await sendRaw(program.port, Buffer.from(bytes, 'latin1'));
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status < 400 || status > 499)
          wrong.push(`${status} for ${JSON.stringify(bytes.slice(0, 300))}: ${text.slice(0, 200)}`);
      }
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    t.diagnostic(`answers by status: ${JSON.stringify(Object.fromEntries(statuses))}`);

    assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of ${samples.length} were not answered with a 4xx`);
    assert.deepEqual(upstream.requests, []);
    assert.equal(program.process.exitCode, null);
    const health = await fetch(`${program.origin}/health/ready`);
    assert.equal(health.status, 200);
    assert.ok(!program.stderr().includes('    at '), `a stack trace was printed:\n${program.stderr().slice(0, 2000)}`);
  },
);
