import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import type { SignatureKeyEntry } from '../../core/credential.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Scheme } from '../../core/scheme.ts';
import type { Reason, Verdict } from '../../core/verdict.ts';
import { ed25519Pair, ed25519PrivateKey, ed25519PublicKey } from '../../crypto/ed25519.ts';
import { httpSignature } from './scheme.ts';
import { signHttpRequest, type RequestToSign, type SigningKey } from './sign.ts';

const now = 1_800_000_000;
const secret = 'cs_hs_secret';
const macOf = (base: string): Buffer => createHmac('sha256', secret).update(base).digest();
const hmacKey: SigningKey = { keyid: 'aidb-key', sign: macOf };
const principal = {
  id: 'service:aidb',
  scheme: 'http-signature',
  credentialId: 'aidb-key',
  scopes: [],
  expiresAt: null,
  addresses: null,
};
const hmacEntry: SignatureKeyEntry = {
  principal,
  algorithm: 'hmac-sha256',
  verify: (base, signature) => macOf(base).toString('base64') === signature,
  expiresAt: null,
  revoked: false,
};

const toSign: RequestToSign = {
  method: 'POST',
  target: '/embeddings/embed?model=a&b',
  authority: 'gateway.local:8700',
  scheme: 'http',
  body: Buffer.from('{"input":"hello"}'),
  created: now,
  nonce: 'n-1',
};

interface Sent {
  method: string;
  target: string;
  authority: string;
  body: Buffer | null;
  presence: AuthRequest['bodyPresence'];
  lines: [string, string][];
}

async function sent(overrides: Partial<RequestToSign> = {}, key: SigningKey = hmacKey): Promise<Sent> {
  const request = { ...toSign, ...overrides };
  const { headers } = await signHttpRequest(request, key);
  const { method, target, authority } = request;
  const body = request.body === null ? null : Buffer.from(request.body);
  return { method, target, authority, body, presence: body ? 'present' : 'none', lines: Object.entries(headers) };
}

function asRequest(message: Sent): AuthRequest {
  return {
    method: message.method,
    target: message.target,
    path: '/embed',
    service: 'embeddings',
    authority: message.authority,
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r',
    bodyPresence: message.presence,
    fields: (name) => message.lines.filter(([field]) => field === name).map(([, value]) => value),
    body: () => Promise.resolve(message.body ?? new Uint8Array()),
  };
}

interface Bench {
  readonly scheme: Scheme;
  readonly used: string[];
  /** Until when each of them must be remembered. */
  readonly until: number[];
}

function bench(entries: readonly SignatureKeyEntry[] = [hmacEntry], clock = now): Bench {
  const used: string[] = [];
  const until: number[] = [];
  const scheme = httpSignature({
    keys: { signatureKeys: (keyid) => (keyid === 'aidb-key' ? entries : []) },
    clock: () => clock,
    once(id, nonce, expiresAt) {
      if (used.includes(`${id} ${nonce}`)) return false;
      until.push(expiresAt);
      return used.push(`${id} ${nonce}`) > 0;
    },
  });
  return { scheme, used, until };
}

async function judged(message: Sent, on: Bench = bench()): Promise<Verdict | null> {
  return on.scheme.authenticate(asRequest(message));
}

async function refused(message: Sent, reason: Reason, on: Bench = bench()): Promise<void> {
  const verdict = await judged(message, on);
  assert.ok(verdict && !verdict.allowed, 'it was not refused');
  assert.equal(verdict.reason, reason, verdict.note);
  assert.ok(!JSON.stringify(verdict).includes(secret));
  assert.deepEqual(on.used, [], 'a refused request took a nonce');
}

const replaced = (message: Sent, name: string, change: (value: string) => string): Sent => ({
  ...message,
  lines: message.lines.map(([field, value]) => [field, field === name ? change(value) : value]),
});

test('a signature for another host does not count where the hosts are known', async () => {
  const once = (): boolean => true;
  const options = { keys: { signatureKeys: () => [hmacEntry] }, clock: () => now, once };
  const scheme = httpSignature({ ...options, hosts: ['gateway.local:8700', 'gateway.local'] });
  const of = async (authority: string): Promise<Verdict | null> =>
    scheme.authenticate(asRequest(await sent({ authority })));
  for (const known of ['gateway.local:8700', 'gateway.local']) assert.equal((await of(known))?.allowed, true);
  assert.equal(
    (
      await scheme.authenticate({
        ...asRequest(await sent({ authority: 'gateway.local' })),
        authority: 'gateway.local:80',
      })
    )?.allowed,
    true,
  );
  for (const other of ['tools.evil', 'gateway.local:8701', '']) {
    const verdict = await of(other);
    assert.ok(verdict?.allowed === false);
    assert.equal(verdict.reason, 'invalid_signature');
    assert.match(verdict.note, /is for the host/);
  }
  assert.equal(
    (await httpSignature(options).authenticate(asRequest(await sent({ authority: 'tools.evil' }))))?.allowed,
    true,
  );
});

test('accepts what was signed, with a body and without', async () => {
  for (const body of [toSign.body, null]) {
    const verdict = await judged(await sent({ body }));
    assert.ok(verdict?.allowed);
    assert.equal(verdict.principal.id, 'service:aidb');
  }
});

test('accepts Ed25519, verified off the main thread, and refuses another key', async () => {
  const { privatePem, publicPem } = await ed25519Pair();
  const privateKey = ed25519PrivateKey(privatePem);
  const publicKey = ed25519PublicKey(publicPem);
  const entry: SignatureKeyEntry = {
    ...hmacEntry,
    algorithm: 'ed25519',
    verify: (base, signature) => publicKey.verify(Buffer.from(base), Buffer.from(signature, 'base64')),
  };
  const key: SigningKey = { keyid: 'aidb-key', sign: (base) => privateKey.sign(Buffer.from(base)) };
  assert.ok((await judged(await sent({}, key), bench([entry])))?.allowed);
  const other = ed25519PrivateKey((await ed25519Pair()).privatePem);
  await refused(
    await sent({}, { ...key, sign: (base) => other.sign(Buffer.from(base)) }),
    'invalid_signature',
    bench([entry]),
  );
});

test('refuses a changed method, path, query, authority, body and digest', async () => {
  const message = await sent();
  await refused({ ...message, method: 'PUT' }, 'invalid_signature');
  await refused({ ...message, target: '/embeddings/other?model=a&b' }, 'invalid_signature');
  await refused({ ...message, target: '/embeddings/embed?model=b&b' }, 'invalid_signature');
  await refused({ ...message, target: '/embeddings/embed' }, 'invalid_signature');
  await refused({ ...message, authority: 'other.local' }, 'invalid_signature');
  await refused({ ...message, body: Buffer.from('{"input":"hullo"}') }, 'invalid_signature');
  await refused(
    replaced(message, 'content-digest', () => 'md5=:1B2M2Y8AsgTpgAmY7PhCfg==:'),
    'invalid_signature',
  );
});

test('a body is hashed as it arrives', async () => {
  const message = await sent();
  for (const [pieces, right] of [
    [['{"input":', '"hello"}'], true],
    [['{"input":', '"hallo"}'], false],
  ] as const) {
    const body = Buffer.from(pieces.join(''));
    let shown = 0;
    const verdict = await bench().scheme.authenticate({
      ...asRequest(message),
      async body(onPiece) {
        for (const piece of pieces) onPiece?.(Buffer.from(piece));
        shown = onPiece ? pieces.length : 0;
        return body;
      },
    });
    assert.deepEqual([verdict?.allowed, shown], [right, 2]);
  }
});

test('a body that the signature does not cover is refused, and so is a digest', async () => {
  const bare = await sent({ body: null });
  await refused({ ...bare, body: Buffer.from('x'), presence: 'present' }, 'invalid_signature');
  const digest = (await sent()).lines.find(([name]) => name === 'content-digest');
  assert.ok(digest);
  await refused({ ...bare, lines: [...bare.lines, digest] }, 'invalid_signature');
});

test('a field that is signed may not be taken out on the way', async () => {
  const message = await sent();
  const connection = (value: string): Sent => ({ ...message, lines: [...message.lines, ['connection', value]] });
  for (const value of ['keep-alive', 'keep-alive, X-Other', 'close'])
    assert.ok((await judged(connection(value)))?.allowed);
  for (const value of ['content-digest', 'keep-alive,Content-Digest', 'x , CONTENT-DIGEST'])
    await refused(connection(value), 'invalid_signature');
});

test('where the body cannot be seen, the digest counts as signed', async () => {
  const message = await sent();
  assert.ok((await judged({ ...message, presence: 'unseen', body: null }))?.allowed);
});

test('the clock: sixty seconds of age and thirty of skew, to the second', async () => {
  for (const [created, right] of [
    [now - 60, true],
    [now - 61, false],
    [now + 30, true],
    [now + 31, false],
  ] as const) {
    const verdict = await judged(await sent({ created }));
    assert.equal(verdict?.allowed, right, `created ${created - now}`);
    if (verdict && !verdict.allowed) {
      assert.equal(verdict.reason, 'timestamp_outside_window');
      assert.deepEqual(verdict.caller, { id: 'service:aidb', proven: true });
      assert.equal(verdict.skewSeconds, created - now);
    }
  }
});

test('a late signature is answered with what would be accepted, another refusal is not', async () => {
  const { scheme } = bench();
  const late = await scheme.authenticate(asRequest(await sent({ created: now - 400 })));
  assert.ok(late && !late.allowed);
  const accept = scheme.refusalHeaders?.(late)['accept-signature'];
  assert.match(
    accept ?? '',
    /^countersign=\("@method" "@authority" "@path" "@query" "content-digest"\);created;keyid;nonce;tag="countersign"$/,
  );
  assert.deepEqual(scheme.refusalHeaders?.({ ...late, reason: 'invalid_signature' }), {});
});

test('a nonce is good once, and a refused request never takes one', async () => {
  const on = bench();
  const message = await sent();
  assert.ok((await judged(message, on))?.allowed);
  const again = await judged(message, on);
  assert.ok(again && !again.allowed && again.reason === 'replayed');
  const sameNonce = await judged(await sent({ target: '/embeddings/embed?other' }), on);
  assert.ok(sameNonce && !sameNonce.allowed && sameNonce.reason === 'replayed');
  assert.equal(on.used.length, 1);
});

test('a nonce is remembered for as long as its signature is good, by the clock that made it', async () => {
  for (const created of [now - 60, now, now + 30]) {
    const on = bench();
    assert.ok((await judged(await sent({ created }), on))?.allowed);
    // Good for sixty seconds, the last one included.
    assert.deepEqual(on.until, [created + 61], `created ${created - now}`);
  }
});

test('the port that the protocol has anyway is not signed, whether it is sent or not', async () => {
  const message = await sent({ authority: 'gateway.local' });
  for (const authority of ['gateway.local', 'gateway.local:80'])
    assert.ok((await judged({ ...message, authority }))?.allowed, authority);
  for (const authority of ['gateway.local:443', 'gateway.local:8080'])
    await refused({ ...message, authority }, 'invalid_signature');
});

test('a key that is unknown, or named by its service alone, may be a new one', async () => {
  const mayBeNew = async (keyid: string, message: Sent) => {
    const on = bench([{ ...hmacEntry, principal: { ...principal, credentialId: keyid } }]);
    const verdict = await judged(message, on);
    return verdict?.allowed === false && verdict.mayBeNew;
  };
  const changed = { ...(await sent()), method: 'PUT' };
  assert.equal(await mayBeNew('aidb-key', await sent({}, { ...hmacKey, keyid: 'nobody' })), true);
  assert.equal(await mayBeNew('aidb-key', changed), false);
  assert.equal(await mayBeNew('another-key', changed), true);
});

test('keys: unknown, revoked, expired, and an algorithm that is not the key’s', async () => {
  await refused(await sent({}, { ...hmacKey, keyid: 'nobody' }), 'unknown_service');
  await refused(await sent(), 'revoked', bench([{ ...hmacEntry, revoked: true }]));
  await refused(await sent(), 'expired', bench([{ ...hmacEntry, expiresAt: now }]));
  const message = await sent();
  await refused(
    replaced(message, 'signature-input', (value) => `${value};alg="ed25519"`),
    'invalid_signature',
  );
});

test('expires is honoured, and must not precede created', async () => {
  const withExpiry = async (expires: number): Promise<Sent> => {
    const message = await sent({ body: null });
    const parameters =
      message.lines[0]?.[1].replace('countersign=', '').replace(/;nonce/, `;expires=${expires};nonce`) ?? '';
    const base = `"@method": POST\n"@authority": ${toSign.authority}\n"@path": /embeddings/embed\n"@query": ?model=a&b\n"@signature-params": ${parameters}`;
    return {
      ...message,
      lines: [
        ['signature-input', `countersign=${parameters}`],
        ['signature', `countersign=:${macOf(base).toString('base64')}:`],
      ],
    };
  };
  assert.ok((await judged(await withExpiry(now + 5)))?.allowed);
  await refused(await withExpiry(now), 'timestamp_outside_window');
  await refused(await withExpiry(now - 1), 'malformed_credentials');
});

test('what is not in the profile is malformed, with a note that names it', async () => {
  const message = await sent({ body: null });
  const change = (from: string | RegExp, to: string): Sent =>
    replaced(message, 'signature-input', (value) => value.replace(from, to));
  const changes: [Sent, RegExp][] = [
    [change('"@method" ', ''), /does not cover @method/],
    [change('"@query"', '"@query";req'), /has a parameter/],
    [change('"@query"', '"@query" "@query-param";name="a"'), /has a parameter/],
    [change('"@query"', '"@query" "@status"'), /not in the profile/],
    [change('"@query"', '"@query" "date";sf'), /has a parameter/],
    [change('"@query"', '"@query" "@query"'), /stands twice/],
    [change(/;nonce="[^"]*"/, ''), /required/],
    [change(/;created=[0-9]+/, ''), /required/],
    [change(/;created=[0-9]+/, `;created=${now}.0`), /whole number/],
    [change(/;created=/, ';created=0'), /whole number/],
    [change(/;keyid="[^"]*"/, ''), /required/],
    [change(';keyid', ';extra="x";keyid'), /not one of RFC 9421/],
    [change(';keyid', ';created=1;keyid'), /stands twice/],
    [change('" "', '"  "'), /quotes/],
    [change('(', '( '), /quotes/],
    [replaced(message, 'signature', (value) => value.replace('countersign', 'other')), /no member/],
    [replaced(message, 'signature', (value) => value.replace(/=:$/, ':')), /canonical/],
    [replaced(message, 'signature-input', (value) => `${value}, ${value}`), /stands twice/],
    [
      replaced(message, 'signature-input', (value) => `${value}, ${value.replace('countersign=', 'second=')}`),
      /more than one signature/,
    ],
    [{ ...message, lines: [...message.lines, ...message.lines] }, /one line/],
    [{ ...message, lines: message.lines.slice(0, 1) }, /one line/],
  ];
  for (const [changed, note] of changes) {
    const verdict = await judged(changed);
    assert.ok(verdict && !verdict.allowed, `accepted ${JSON.stringify(changed.lines)}`);
    assert.equal(verdict.reason, 'malformed_credentials', `${JSON.stringify(changed.lines)}: ${verdict.note}`);
    assert.match(verdict.note, note);
  }
});

test('signatures of others, beside ours or alone, are not ours to judge', async () => {
  const message = await sent();
  const others = 'web=("@authority");created=1;keyid="k";tag="web-bot-auth"';
  const foreign = {
    ...message,
    lines: [
      ['signature-input', others],
      ['signature', 'web=:AAAA:'],
    ] as [string, string][],
  };
  assert.equal(await judged(foreign), null);
  assert.equal(await judged({ ...message, lines: [] }), null);
  assert.equal(await judged({ ...message, lines: [['signature', 'keyId="a"']] }), null);
  const both = replaced(
    replaced(message, 'signature-input', (value) => `${value}, ${others}`),
    'signature',
    (value) => `${value}, web=:AAAA:`,
  );
  assert.ok((await judged(both))?.allowed);
});

test('no header makes it throw, and none but the right one passes', async () => {
  const message = await sent();
  const piece = fc.oneof(
    fc.constantFrom(
      'countersign=',
      '("@method" "@path")',
      ';created=1',
      ';tag="countersign"',
      ', ',
      ' ',
      '"',
      ':',
      ';',
      '=',
      '(',
      ')',
      ';nonce="a"',
      ';keyid="aidb-key"',
      '\\',
    ),
    fc.string({ maxLength: 4 }),
  );
  const line = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  await fc.assert(
    fc.asyncProperty(line, line, async (input, signature) => {
      const verdict = await judged({
        ...message,
        lines: [
          ['signature-input', `${input};tag="countersign"`],
          ['signature', signature],
        ],
      });
      assert.ok(verdict === null || !verdict.allowed);
    }),
    { numRuns: 2_000 },
  );
});
