/**
 * What verifiers of others have accepted. Each message carries a right MAC over the base as somebody might have built it, so
 * that nothing but the rule itself refuses it; and none of them may take a nonce.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import type { SignatureKeyEntry } from '../../core/credential.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Reason, Verdict } from '../../core/verdict.ts';
import { contentDigest } from './content-digest.ts';
import { parseSignatureInput } from './dictionary.ts';
import { httpSignature } from './scheme.ts';

const now = 1_800_000_000;
const secret = 'cs_hs_secret';
const macOf = (base: string): Buffer => createHmac('sha256', secret).update(base).digest();
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

const body = Buffer.from('{"input":"hello"}');
const digest = contentDigest(body);
const md5 = `md5=:${createHash('md5').update('another body').digest('base64')}:`;
const values: Readonly<Record<string, string>> = {
  '"@method"': 'POST',
  '"@METHOD"': 'POST',
  '"@authority"': 'gateway.local:8700',
  '"@path"': '/embeddings/embed',
  '"@query"': '?model=a',
  '"@query-param";name="model"': 'a',
  '"@status"': '200',
  '"content-digest"': digest,
  '"content-digest";key="md5"': md5.slice(4),
  '"content-digest";key="sha-256"': digest.slice(8),
  '"content-digest";sf': digest,
  '"content-digest";bs': `:${Buffer.from(digest).toString('base64')}:`,
  '"content-digest";req': digest,
  '"content-digest";tr': digest,
  '"Content-Digest"': digest,
  '"x-name"': 'h\xe9',
  '"x-absent"': '',
};
const required = ['"@method"', '"@authority"', '"@path"', '"@query"'];
const parameters = `;created=${now};nonce="n";keyid="aidb-key";tag="countersign"`;

interface Given {
  readonly components?: readonly string[];
  readonly parameters?: string;
  readonly list?: string;
  readonly values?: Readonly<Record<string, string>>;
  readonly digest?: string | null;
  readonly body?: Buffer | null;
  readonly label?: string;
  /** As it is sent, made from the right one. */
  readonly input?: (right: string) => string[];
  readonly signature?: (right: string, mac: Buffer) => string[];
  readonly request?: Partial<AuthRequest>;
}

async function judged(given: Given): Promise<{ verdict: Verdict | null; taken: number }> {
  const { components = [...required, '"content-digest"'], label = 'sig' } = given;
  const text = `${given.list ?? `(${components.join(' ')})`}${given.parameters ?? parameters}`;
  const known = { ...values, ...given.values };
  const base = [...components.map((name) => `${name}: ${known[name]}`), `"@signature-params": ${text}`].join('\n');
  const mac = macOf(base);
  const input = `${label}=${text}`;
  const signature = `${label}=:${mac.toString('base64')}:`;
  const sentBody = given.body === undefined ? body : given.body;
  const sentDigest = given.digest === undefined ? digest : given.digest;
  const fields: Record<string, readonly string[]> = {
    'signature-input': given.input?.(input) ?? [input],
    signature: given.signature?.(signature, mac) ?? [signature],
    'content-digest': sentDigest === null ? [] : [sentDigest],
    'x-name': ['h\xe9'],
  };
  let taken = 0;
  const scheme = httpSignature({
    keys: { signatureKeys: () => [entry] },
    clock: () => now,
    once: () => (taken += 1) === 1,
  });
  const verdict = await scheme.authenticate({
    method: 'POST',
    target: '/embeddings/embed?model=a',
    path: '/embed',
    service: 'embeddings',
    authority: 'gateway.local:8700',
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r',
    bodyPresence: sentBody === null ? 'none' : 'present',
    fields: (name) => fields[name] ?? [],
    body: () => Promise.resolve(sentBody ?? new Uint8Array()),
    ...given.request,
  });
  return { verdict, taken };
}

test('the message that all of these are made from is accepted', async () => {
  const { verdict, taken } = await judged({});
  assert.ok(verdict?.allowed);
  assert.equal(taken, 1);
});

const covering = (...more: string[]): Given => ({ components: [...required, '"content-digest"', ...more] });
const digestAs = (component: string): Given => ({ components: [...required, component] });
const without = (component: string): Given => ({
  components: [...required, '"content-digest"'].filter((name) => name !== component),
});

const edges: readonly (readonly [string, Given, Reason])[] = [
  [
    'a good signature behind a bad one',
    twice((good) => [`${good.replace('sig=', 'bad=')}, ${good}`]),
    'malformed_credentials',
  ],
  [
    'a bad signature behind a good one',
    twice((good) => [`${good}, ${good.replace('sig=', 'bad=')}`]),
    'malformed_credentials',
  ],
  ['no created', { parameters: parameters.replace(/;created=\d+/, '') }, 'malformed_credentials'],
  ['created as a string', { parameters: parameters.replace(String(now), `"${now}"`) }, 'malformed_credentials'],
  ['created as a decimal', { parameters: parameters.replace(String(now), `${now}.5`) }, 'malformed_credentials'],
  ['created as an exponent', { parameters: parameters.replace(String(now), '18e8') }, 'malformed_credentials'],
  ['an old created', { parameters: parameters.replace(String(now), String(now - 61)) }, 'timestamp_outside_window'],
  ['a created to come', { parameters: parameters.replace(String(now), String(now + 31)) }, 'timestamp_outside_window'],
  ['created twice, the second one right', { parameters: `;created=1${parameters}` }, 'malformed_credentials'],
  ['an end that has passed', { parameters: `${parameters};expires=${now}` }, 'timestamp_outside_window'],
  ['an end before the beginning', { parameters: `${parameters};expires=${now - 5}` }, 'malformed_credentials'],
  ['no nonce', { parameters: parameters.replace(/;nonce="n"/, '') }, 'malformed_credentials'],
  ['an empty nonce', { parameters: parameters.replace('"n"', '""') }, 'malformed_credentials'],
  ['a nonce that is a token', { parameters: parameters.replace('"n"', 'n') }, 'malformed_credentials'],
  ['no keyid', { parameters: parameters.replace(/;keyid="aidb-key"/, '') }, 'malformed_credentials'],
  ['an algorithm that is not the key’s', { parameters: `${parameters};alg="ed25519"` }, 'invalid_signature'],
  ['an algorithm that is none', { parameters: `${parameters};alg="none"` }, 'invalid_signature'],
  ['an unknown parameter', { parameters: `${parameters};context="x"` }, 'malformed_credentials'],
  ['a flag as parameter', { parameters: `${parameters};x` }, 'malformed_credentials'],
  [
    'a member of the digest that is not the strong one',
    { ...digestAs('"content-digest";key="md5"'), digest: `${digest}, ${md5}` },
    'malformed_credentials',
  ],
  ['the one member of the digest', digestAs('"content-digest";key="sha-256"'), 'malformed_credentials'],
  ['the digest as structured field', digestAs('"content-digest";sf'), 'malformed_credentials'],
  ['the digest as bytes', digestAs('"content-digest";bs'), 'malformed_credentials'],
  ['the digest of another request', digestAs('"content-digest";req'), 'malformed_credentials'],
  ['the digest of the trailers', digestAs('"content-digest";tr'), 'malformed_credentials'],
  ['a name in capitals', digestAs('"Content-Digest"'), 'malformed_credentials'],
  [
    'a derived name in capitals',
    { components: ['"@METHOD"', ...required.slice(1), '"content-digest"'] },
    'malformed_credentials',
  ],
  ['a component twice', covering('"@path"'), 'malformed_credentials'],
  ['the query by one of its parameters', covering('"@query-param";name="model"'), 'malformed_credentials'],
  ['the status of a response', covering('"@status"'), 'malformed_credentials'],
  ['a field that is not there', covering('"x-absent"'), 'invalid_signature'],
  ['a field that is not ASCII', covering('"x-name"'), 'invalid_signature'],
  ['nothing covered', { components: [] }, 'malformed_credentials'],
  ['no method covered', without('"@method"'), 'malformed_credentials'],
  ['no authority covered', without('"@authority"'), 'malformed_credentials'],
  ['no path covered', without('"@path"'), 'malformed_credentials'],
  ['no query covered', without('"@query"'), 'malformed_credentials'],
  ['a body that is not covered', without('"content-digest"'), 'invalid_signature'],
  [
    'a body that is not covered, without a digest',
    { ...without('"content-digest"'), digest: null },
    'invalid_signature',
  ],
  [
    'a digest of nothing for a body',
    { digest: contentDigest(Buffer.alloc(0)), values: { '"content-digest"': contentDigest(Buffer.alloc(0)) } },
    'invalid_signature',
  ],
  ['a body that was taken away', { body: null }, 'invalid_signature'],
  ['two digests, one of them wrong', twoDigests(`${digest}, ${md5}`), 'invalid_signature'],
  ['a weak digest', twoDigests(md5), 'invalid_signature'],
  ['a method in other letters', { request: { method: 'post' } }, 'invalid_signature'],
  [
    'a path with a dot segment that leads to the signed one',
    { request: { target: '/embeddings/x/../embed?model=a' } },
    'invalid_signature',
  ],
  [
    'a path with another way to write a letter',
    { request: { target: '/embeddings/%65mbed?model=a' } },
    'invalid_signature',
  ],
  [
    'a query with another way to write a letter',
    { request: { target: '/embeddings/embed?model=%61' } },
    'invalid_signature',
  ],
  ['another order of the same query', { request: { target: '/embeddings/embed?model=a&' } }, 'invalid_signature'],
  ['an authority without its port', { request: { authority: 'gateway.local' } }, 'invalid_signature'],
  ['two spaces in the list', { list: `(${required.join('  ')} "content-digest")` }, 'malformed_credentials'],
  ['a space before the list ends', { list: `(${required.join(' ')} "content-digest" )` }, 'malformed_credentials'],
  ['a space before a parameter', { parameters: parameters.replace(';nonce', '; nonce') }, 'malformed_credentials'],
  ['two lines of input', { input: (right) => [right, right] }, 'malformed_credentials'],
  ['two lines of signature', { signature: (right) => [right, right] }, 'malformed_credentials'],
  ['the label twice in the input', { input: (right) => [`${right}, ${right}`] }, 'malformed_credentials'],
  ['the label twice in the signature', { signature: (right) => [`${right}, ${right}`] }, 'malformed_credentials'],
  ['no space behind the comma', { input: (right) => [`${right},x=();tag="y"`] }, 'malformed_credentials'],
  [
    'a signature under another label',
    { signature: (right) => [right.replace('sig=', 'other=')] },
    'malformed_credentials',
  ],
  ['a signature with a parameter', { signature: (right) => [`${right};x`] }, 'malformed_credentials'],
  [
    'a signature in URL letters',
    { signature: (_, mac) => [`sig=:${mac.toString('base64url')}:`] },
    'malformed_credentials',
  ],
  [
    'a signature without padding',
    { signature: (right) => [right.replace('=:', '~').replace('=:', ':').replace('~', '=:')] },
    'malformed_credentials',
  ],
  [
    'half a signature',
    { signature: (_, mac) => [`sig=:${mac.subarray(0, 16).toString('base64')}:`] },
    'invalid_signature',
  ],
  ['an empty signature', { signature: () => ['sig=::'] }, 'invalid_signature'],
  [
    'a signature and more',
    { signature: (_, mac) => [`sig=:${Buffer.concat([mac, mac]).toString('base64')}:`] },
    'invalid_signature',
  ],
];

for (const [what, given, reason] of edges) {
  test(`refuses ${what}`, async () => {
    const { verdict, taken } = await judged(given);
    assert.ok(verdict && !verdict.allowed, 'it was not refused');
    assert.equal(verdict.reason, reason, verdict.note);
    assert.equal(taken, 0, 'a refused request took a nonce');
    assert.doesNotMatch(JSON.stringify(verdict), new RegExp(secret));
  });
}

test('another tag, or none, is not ours to judge', async () => {
  for (const other of ['', ';tag="web-bot-auth"', ';tag="Countersign"', ';tag="countersign2"']) {
    const { verdict } = await judged({ parameters: parameters.replace(';tag="countersign"', other) });
    assert.equal(verdict, null, other);
  }
});

test('a body that arrives when the signature has grown old is refused, since its nonce could be used again by then', async () => {
  let time = now;
  const slow = {
    body: async () => {
      time = now + 61;
      return body;
    },
  };
  const base = [...required, '"content-digest"'];
  const text = `(${base.join(' ')})${parameters}`;
  const mac = macOf([...base.map((name) => `${name}: ${values[name]}`), `"@signature-params": ${text}`].join('\n'));
  const fields: Record<string, readonly string[]> = {
    'signature-input': [`sig=${text}`],
    signature: [`sig=:${mac.toString('base64')}:`],
    'content-digest': [digest],
  };
  const scheme = httpSignature({
    keys: { signatureKeys: () => [entry] },
    clock: () => time,
    once: () => assert.fail('it was asked for'),
  });
  const verdict = await scheme.authenticate({
    method: 'POST',
    target: '/embeddings/embed?model=a',
    path: '/embed',
    service: 'embeddings',
    authority: 'gateway.local:8700',
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r',
    bodyPresence: 'present',
    fields: (name) => fields[name] ?? [],
    ...slow,
  });
  assert.ok(verdict && !verdict.allowed);
  assert.equal(verdict.reason, 'timestamp_outside_window');
  assert.deepEqual(verdict.caller, { id: 'service:aidb', proven: true });
});

function twice(input: (good: string) => string[]): Given {
  return { input, signature: (right) => [`${right}, bad=:${Buffer.alloc(32).toString('base64')}:`] };
}

function twoDigests(line: string): Given {
  return { digest: line, values: { '"content-digest"': line } };
}

test('made-up lists of components keep the usual ones out of memory for a moment, and not for good', () => {
  const lineWith = (list: string): string => `sig=(${list});created=1;nonce="a";keyid="b";tag="countersign"`;
  const usual = lineWith('"@method" "@authority" "@path" "@query" "x-usual"');
  for (let count = 0; count < 1000; count += 1) parseSignatureInput(lineWith(`"@method" "x-made-up-${count}"`));
  const [first] = parseSignatureInput(usual);
  const [second] = parseSignatureInput(usual);
  assert.equal(first?.components, second?.components);
});
