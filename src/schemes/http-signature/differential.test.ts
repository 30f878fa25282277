/**
 * Beside two libraries of others: http-message-sig signs and verifies the same messages, structured-headers reads the same
 * fields. Ours accepts less, and where it accepts it must mean the same.
 */
import assert from 'node:assert/strict';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { createSignature, verifySignature, type RequestDescriptor, type Signer, type Verifier } from 'http-message-sig';
import { isInnerList, parseDictionary, serializeDictionary, type InnerList } from 'structured-headers';
import type { SignatureKeyEntry } from '../../core/credential.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Verdict } from '../../core/verdict.ts';
import { canonicalBase64 } from '../../crypto/base64.ts';
import { parseSignatureInput, parseSignatures, signatureUnder, type SignatureInput } from './dictionary.ts';
import { contentDigest, httpSignature, signHttpRequest } from './index.ts';

const now = 1_800_000_000;
const secret = 'cs_hs_secret';
const macOf = (data: Uint8Array | string): Buffer => createHmac('sha256', secret).update(data).digest();
const entry: SignatureKeyEntry = {
  principal: {
    id: 'service:aidb',
    scheme: 'http-signature',
    credentialId: 'aidb-key',
    scopes: [],
    expiresAt: null,
    addresses: null,
  },
  algorithm: 'hmac-sha256',
  verify: (base, signature) => macOf(base).toString('base64') === signature,
  expiresAt: null,
  revoked: false,
};
const theirSigner: Signer = { algorithm: 'hmac-sha256', sign: (data) => macOf(data) };
const theirVerifier: Verifier = {
  algorithm: 'hmac-sha256',
  verify: (data, signature) => signature.length === 32 && timingSafeEqual(macOf(data), signature),
};

interface Message {
  readonly method: string;
  readonly authority: string;
  readonly target: string;
  readonly body: Buffer | null;
  /** Fields besides those of the signature. */
  readonly fields: readonly (readonly [string, string])[];
}

async function judged(message: Message, signatureInput: string, signature: string): Promise<Verdict | null> {
  const { method, authority, target, body } = message;
  const lines = [...message.fields, ['signature-input', signatureInput], ['signature', signature]] as const;
  const request: AuthRequest = {
    method,
    authority,
    target,
    protocol: 'https',
    path: '/',
    service: 'embeddings',
    remoteAddress: '10.0.0.7',
    requestId: 'r',
    bodyPresence: body === null ? 'none' : 'present',
    fields: (name) => lines.filter(([field]) => field === name).map(([, value]) => value),
    body: () => Promise.resolve(body ?? new Uint8Array()),
  };
  const scheme = httpSignature({
    keys: { signatureKeys: (keyid) => (keyid === 'aidb-key' ? [entry] : []) },
    clock: () => now,
    once: () => true,
  });
  return scheme.authenticate(request);
}

function described({ method, authority, target, fields }: Message): RequestDescriptor {
  return {
    kind: 'request',
    method,
    targetUri: `https://${authority}${target}`,
    requestTarget: target,
    fields: fields.map(([name, value]) => ({ name, value })),
  };
}

const text = (chars: string, size: { minLength?: number; maxLength: number }) =>
  fc.array(fc.constantFrom(...chars), size).map((all) => all.join(''));
const lower = 'abcdefghijklmnopqrstuvwxyz';
const pathChars = `${lower}ABC019-._~!$&'()*+,;=:@%`;
const fieldValue = text(`${lower}ABC 019"\\,;=:()\t`, { maxLength: 12 }).map((value) => value.trim());
const aMessage: fc.Arbitrary<Message> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'PURGE'),
  authority: fc.constantFrom(
    'gateway.internal',
    'gateway.internal:8700',
    '127.0.0.1:9',
    '[::1]:8700',
    'a-b.example.org',
  ),
  target: fc
    .tuple(
      fc.array(text(pathChars, { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      fc.option(text(`${pathChars}/?`, { maxLength: 20 }), { nil: null }),
    )
    .map(([path, query]) => `/${path.join('/')}${query === null ? '' : `?${query}`}`),
  body: fc.option(
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  ),
  fields: fc.uniqueArray(
    fc.tuple(
      text(lower, { minLength: 1, maxLength: 8 }).map((name) => `x-${name}`),
      fieldValue,
    ),
    { maxLength: 3, selector: ([name]) => name },
  ),
});
const aString = text(`${lower}ABC019 -_.:;,="\\()`, { minLength: 1, maxLength: 24 });

test('what http-message-sig signs in our profile, ours accepts, whatever else it covers', async () => {
  const extras = fc.subarray(['@scheme', '@request-target', '@target-uri']);
  await fc.assert(
    fc.asyncProperty(aMessage, extras, aString, fc.boolean(), async (plain, more, nonce, withAlg) => {
      const message = withDigest(plain);
      const shuffled = [...message.fields.map(([name]) => name), ...more, '@query', '@path', '@method', '@authority'];
      const { signature, signatureInput } = await createSignature(described(message), {
        label: 'theirs',
        components: shuffled,
        parameters: {
          created: now,
          keyid: 'aidb-key',
          nonce,
          tag: 'countersign',
          ...(withAlg ? { alg: 'hmac-sha256' } : {}),
        },
        signer: theirSigner,
      });
      const verdict = await judged(message, signatureInput, signature);
      assert.ok(verdict?.allowed, `${signatureInput}: ${verdict && !verdict.allowed ? verdict.note : 'not ours'}`);
    }),
    { numRuns: 500 },
  );
});

test('what ours signs, http-message-sig verifies', async () => {
  await fc.assert(
    fc.asyncProperty(aMessage, text(`${lower}019_-`, { minLength: 1, maxLength: 24 }), async (plain, nonce) => {
      const { method, target, authority, body } = plain;
      const { headers } = await signHttpRequest(
        { method, target, authority, scheme: 'https', body, created: now, nonce },
        { keyid: 'aidb-key', sign: macOf },
      );
      const verified = await verifySignature(described({ ...plain, fields: Object.entries(headers) }), {
        policy: {
          algorithms: ['hmac-sha256'],
          requiredComponents: ['@method', '@authority', '@path', '@query', ...(body ? ['content-digest'] : [])],
          requiredParameters: ['created', 'nonce', 'keyid', 'tag'],
          maxAge: 60,
          now,
        },
        resolveVerifier: () => theirVerifier,
      });
      assert.equal(verified.parameters.keyid, 'aidb-key');
    }),
    { numRuns: 500 },
  );
});

test('of a message changed anywhere, ours accepts nothing that http-message-sig refuses', async () => {
  const change = fc.record({ at: fc.nat(), char: fc.constantFrom(...`${lower}"\\;=:(), 019@`), cut: fc.nat(2) });
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(aMessage, change, fc.boolean(), async (plain, { at, char, cut }, inInput) => {
      const message = withDigest(plain);
      const { method, target, authority, body } = plain;
      const { headers } = await signHttpRequest(
        { method, target, authority, scheme: 'https', body, created: now, nonce: 'n' },
        { keyid: 'aidb-key', sign: macOf },
      );
      const changed = (line: string): string => {
        const place = at % line.length;
        return line.slice(0, place) + char + line.slice(place + cut);
      };
      const input = headers['signature-input'] ?? '';
      const signature = headers['signature'] ?? '';
      const [sentInput, sentSignature] = inInput ? [changed(input), signature] : [input, changed(signature)];
      const verdict = await judged(message, sentInput, sentSignature);
      if (!verdict?.allowed) return;
      accepted += 1;
      const fields = [...message.fields, ['signature-input', sentInput], ['signature', sentSignature]] as const;
      await verifySignature(described({ ...message, fields }), {
        policy: { algorithms: ['hmac-sha256'], requiredComponents: ['@method'], requiredParameters: [], now },
        resolveVerifier: () => theirVerifier,
      });
    }),
    { numRuns: 3_000 },
  );
  assert.ok(accepted > 0, 'a change that changes nothing is accepted');
});

/** A dictionary of inner lists and of other things, near to what Signature-Input holds and often just outside of it. */
const aName = text(`${lower}*`, { minLength: 1, maxLength: 6 });
const aParameter = fc.oneof(
  fc.tuple(fc.constantFrom('created', 'expires'), fc.integer({ min: -9, max: 2_000_000_000 }).map(String)),
  fc.tuple(fc.constantFrom('nonce', 'keyid', 'alg', 'tag'), aString.map(quoted)),
  fc.tuple(aName, fc.constantFrom('1', '1.5', '?1', 'token', ':AAAA:', '"x"', '01', '-0', '"a\\b"', '')),
);
const aComponent = fc.tuple(
  fc.oneof(aName, fc.constantFrom('@method', '@query', '@query-param', 'content-digest')),
  fc.constantFrom('', '', '', ';req', ';sf', ';name="a"', ';key="x"', ';bs=?1', '; sf'),
);
const aList = fc
  .tuple(fc.array(aComponent, { maxLength: 4 }), fc.constantFrom(' ', ' ', ' ', '  '))
  .map(([all, space]) => `(${all.map(([name, rest]) => `"${name}"${rest}`).join(space)})`);
const aMember = fc
  .tuple(aName, aList, fc.array(aParameter, { maxLength: 5 }))
  .map(
    ([label, list, all]) => `${label}=${list}${all.map(([name, value]) => `;${name}${value && `=${value}`}`).join('')}`,
  );
const aLine = fc
  .tuple(fc.array(aMember, { minLength: 1, maxLength: 3 }), fc.constantFrom(', ', ', ', ', ', ','))
  .map(([members, comma]) => members.join(comma));

test('Signature-Input: what ours reads, structured-headers reads alike, and writes back as it was', () => {
  let read = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: aLine }, fc.string({ maxLength: 30 })), (line) => {
      const ours = orNull(() => parseSignatureInput(line));
      if (ours === null) return;
      read += 1;
      const theirs = parseDictionary(line);
      assert.deepEqual(
        [...theirs.keys()],
        ours.map(({ label }) => label),
      );
      for (const input of ours) assert.deepEqual(asOurs(theirs.get(input.label)), asPlain(input));
      assert.equal(serializeDictionary(theirs), line);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(read > 300, `only ${read} were read`);
});

test('Signature-Input: what structured-headers reads, writes back as it was and knows no more of than we do, ours reads', () => {
  let read = 0;
  fc.assert(
    fc.property(aLine, (line) => {
      const theirs = orNull(() => parseDictionary(line));
      if (theirs === null || serializeDictionary(theirs) !== line) return;
      if (![...theirs.values()].every((member) => isInnerList(member) && inOurSubset(member))) return;
      read += 1;
      assert.equal(parseSignatureInput(line).length, theirs.size);
    }),
    { numRuns: 5_000 },
  );
  assert.ok(read > 300, `only ${read} were read`);
});

test('Signature: the same bytes by the same names as structured-headers reads', () => {
  const member = fc
    .tuple(aName, text('ABCabc019+/=', { maxLength: 12 }))
    .map(([label, bytes]) => `${label}=:${bytes}:`);
  let read = 0;
  fc.assert(
    fc.property(fc.array(member, { minLength: 1, maxLength: 3 }), (members) => {
      const line = members.join(', ');
      const ours = orNull(() => parseSignatures(line));
      const theirs = orNull(() => parseDictionary(line));
      const canonical = theirs !== null && serializeDictionary(theirs) === line;
      assert.equal(ours !== null, canonical, line);
      for (const { 0: label = '' } of members.map((one) => one.split('='))) {
        const found = orNull(() => signatureUnder(line, label));
        if (ours !== null) assert.equal(found, ours.get(label)?.toString('base64'), line);
        else if (found !== null) assert.equal(canonicalBase64(found ?? ''), null, line);
      }
      if (ours === null || theirs === null) return;
      read += 1;
      for (const [label, bytes] of ours)
        assert.deepEqual(Buffer.from(bytes), Buffer.from(theirs.get(label)?.[0] as ArrayBuffer));
    }),
    { numRuns: 5_000 },
  );
  assert.ok(read > 300, `only ${read} were read`);
});

test('Signature-Input: the usual line is read as it is among others, and so is all that is nearly one', () => {
  const piece = fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: text('"\\\\;=:, ()-0a\u00e1\n', { maxLength: 3 }) },
  );
  const parts = [
    's',
    '=',
    '("@method" "@path")',
    ';created=',
    '1800000000',
    ';nonce="',
    'n!~ [',
    '";keyid="',
    'k',
    '";tag="',
    'countersign',
    '"',
  ];
  parseSignatureInput('s=("@method" "@path")');
  let read = 0;
  fc.assert(
    fc.property(fc.tuple(...parts.map(() => piece)), (changes) => {
      const line = parts.map((part, index) => changes[index] ?? part).join('');
      const alone = orNull(() => parseSignatureInput(line));
      const among = orNull(() => parseSignatureInput(`${line}, other=()`));
      assert.deepEqual(alone, among && among.slice(0, -1), line);
      if (alone !== null) read += 1;
    }),
    { numRuns: 5_000 },
  );
  assert.ok(read > 300 && read < 4_700, `${read} were read`);
});

function withDigest(message: Message): Message {
  if (message.body === null) return message;
  return { ...message, fields: [...message.fields, ['content-digest', contentDigest(message.body)]] };
}

function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

function orNull<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch {
    return null;
  }
}

type Member = ReturnType<typeof parseDictionary> extends Map<string, infer Value> ? Value : never;

function asPlain({ components, parameters }: SignatureInput): unknown {
  const known = Object.entries(parameters).filter(([, value]) => value !== null);
  return {
    components: components.map(({ name, parameters: extra }) => name + extra),
    parameters: Object.fromEntries(known),
  };
}

function asOurs(member: Member | undefined): unknown {
  assert.ok(member !== undefined && isInnerList(member));
  const [items, parameters] = member;
  const components = items.map(([name, extra]) => {
    const written = [...extra].map(([key, value]) => `;${key}${value === true ? '' : `=${quoted(String(value))}`}`);
    return String(name) + written.join('');
  });
  return { components, parameters: Object.fromEntries(parameters) };
}

/** RFC 9421's own parameters in their own types, and component parameters that are flags or strings. */
function inOurSubset([items, parameters]: InnerList): boolean {
  const whole = ['created', 'expires'];
  const strings = ['nonce', 'keyid', 'alg', 'tag'];
  const identities = items.map(([name, extra]) => JSON.stringify([name, [...extra]]));
  return (
    new Set(identities).size === items.length &&
    items.every(([name, extra]) => {
      const fine = [...extra.values()].every((value) => value === true || typeof value === 'string');
      return typeof name === 'string' && /^@?[a-z0-9*-]+$/.test(name) && fine;
    }) &&
    [...parameters].every(
      ([name, value]) =>
        (whole.includes(name) && Number.isInteger(value)) || (strings.includes(name) && typeof value === 'string'),
    )
  );
}
