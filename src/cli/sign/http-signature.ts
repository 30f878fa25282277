import { existsSync, readFileSync } from 'node:fs';
import { fingerprint } from '../../crypto/digest.ts';
import { ed25519PrivateKey, ed25519PublicOf, ed25519PublicPem } from '../../crypto/ed25519.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { randomBase62 } from '../../crypto/random.ts';
import {
  explainHttpSignature,
  signHttpRequest,
  type HeldSignatureKey,
  type HttpSignatureQuestion,
  type RequestToSign,
  type SigningKey,
} from '../../schemes/http-signature/index.ts';
import type { Invocation } from '../command.ts';
import { codeOf, EXIT, refused, usage } from '../failure.ts';
import { signingKeyOrPem } from '../secret-input.ts';
import { atWork, sealOf } from '../workplace.ts';
import { asOperator } from './as-operator.ts';
import type { CapturedRequest } from './captured-request.ts';
import { heldSignatureKeys } from './held-keys.ts';
import { saySent, saySigned, type Explained } from './say-signed.ts';
import { sendSigned } from './send-signed.ts';
import { keyFileOption, requestWords, timestampOption, warnOfApiKey } from './sign-options.ts';

interface Order {
  readonly request: RequestToSign & { readonly body: Uint8Array<ArrayBuffer> | null };
  readonly origin: string;
  readonly key: SigningKey;
  /** Tells keys apart without showing them: of the secret, or of the public half. */
  readonly fingerprint: string;
}

type Signed = Awaited<ReturnType<typeof signHttpRequest>>;

/** `sign --scheme http-signature METHOD URL`. */
export async function signHttp(invocation: Invocation): Promise<number> {
  const order = await readOrder(invocation);
  const signed = await signHttpRequest(order.request, order.key);
  if (invocation.flag('send')) return send(invocation, order, signed);
  return saySigned(invocation, named(signed.headers), explained(order, signed, invocation));
}

async function readOrder(invocation: Invocation): Promise<Order> {
  const { method, origin, target } = requestWords(
    invocation,
    'countersign sign --scheme http-signature --service aidb --key-file aidb.key GET http://127.0.0.1:8700/embeddings/models',
  );
  const url = origin === null ? null : URL.parse(origin);
  if (origin === null || url === null)
    throw usage('an HTTP signature covers the host: give the whole URL, as the service is called');
  const body = bodyOption(invocation);
  if (invocation.flag('send') && body !== null && (method === 'GET' || method === 'HEAD'))
    throw usage(`a ${method} is sent without a body: leave --body-file out`);
  const file = keyFileOption(invocation);
  const held = await signingKeyOrPem(invocation, file, 'the key to sign with');
  const keyid =
    invocation.text('keyid') ?? invocation.text('service') ?? (invocation.env['SERVICE_ID'] || held.serviceId) ?? '';
  if (!/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(keyid))
    throw usage('--keyid or --service is needed: the id of the key, or the service whose key it is');
  warnOfApiKey(invocation, held.secret);
  return {
    request: {
      method,
      target,
      authority: url.host,
      scheme: url.protocol === 'https:' ? 'https' : 'http',
      body,
      created: timestampOption(invocation),
      nonce: newNonce(),
    },
    origin,
    ...signingKey(held.secret, keyid),
  };
}

function newNonce(): string {
  return randomBase62(22);
}

function bodyOption(invocation: Invocation): Buffer<ArrayBuffer> | null {
  const file = invocation.text('body-file');
  if (file === null) return null;
  try {
    return readFileSync(file);
  } catch (error) {
    throw refused(`the body cannot be read from ${file} (${codeOf(error) ?? 'unreadable'})`);
  }
}

function signingKey(secret: string, keyid: string): Pick<Order, 'key' | 'fingerprint'> {
  if (!secret.startsWith('-----BEGIN')) {
    const mac = hmacSha256(Buffer.from(secret));
    return { key: { keyid, sign: (base) => mac.bytes(Buffer.from(base, 'latin1')) }, fingerprint: fingerprint(secret) };
  }
  try {
    const pair = ed25519PrivateKey(secret);
    return {
      key: { keyid, sign: (base) => pair.sign(Buffer.from(base, 'latin1')) },
      fingerprint: fingerprint(ed25519PublicOf(secret)),
    };
  } catch {
    throw refused('the key to sign with is in PEM form, and not an Ed25519 private key');
  }
}

/** As people write them; HTTP does not mind. */
function named(headers: Readonly<Record<string, string>>): Record<string, string> {
  const names = { 'content-digest': 'Content-Digest', 'signature-input': 'Signature-Input', signature: 'Signature' };
  return Object.fromEntries(
    Object.entries(names).flatMap(([name, written]) => (headers[name] === undefined ? [] : [[written, headers[name]]])),
  );
}

function explanation({ request, key, fingerprint: print }: Order, { base }: Signed) {
  const digest = request.body !== null && request.body.length > 0;
  return {
    signature_base: base,
    parts: { keyid: key.keyid, created: request.created, nonce: request.nonce },
    not_signed: [...(digest ? [] : ['a body (there must be none)']), 'all other headers'],
    key_fingerprint: print,
  };
}

function explained(order: Order, signed: Signed, { out }: Invocation): Explained {
  const whole = explanation(order, signed);
  const { parts, not_signed: notSigned, key_fingerprint: print } = whole;
  const row = (name: string, text: string): string => `  ${out.paint('dim', name.padEnd(10))}  ${text}`;
  const when = new Date(parts.created * 1000).toISOString().replace('.000Z', 'Z');
  const lines = [
    'The signature base: these lines, joined by line feeds, without one at the end:',
    ...signed.base.split('\n').map((line) => `  ${out.paint('cyan', line)}`),
    row('keyid', parts.keyid),
    row('created', `${parts.created}  (${when})`),
    row('nonce', `${parts.nonce}  (good for one request)`),
    row('not signed', notSigned.join(', ')),
    `Signed with the key of the fingerprint ${print}:`,
  ];
  return { parts: whole, lines };
}

async function send(invocation: Invocation, order: Order, signed: Signed): Promise<number> {
  const { request, origin, key } = order;
  const { headers: asking } = await signHttpRequest({ ...request, nonce: newNonce() }, key);
  const answer = await asOperator(invocation, (run) =>
    sendSigned({ ...request, origin, asking, sending: signed.headers, run }),
  );
  const why = (reason: string): Promise<string> => whyRefused(invocation, order, signed, reason);
  return saySent(invocation, answer, why, explained(order, signed, invocation));
}

const WHY: Readonly<Record<string, string>> = {
  timestamp_outside_window:
    "The time is too far from the server's (60 s old or 30 s ahead, unless it is configured): compare the clocks of both machines (date -u).",
  unknown_service: 'The server knows no key of this keyid: it is the id of a key, or the service whose key it is.',
  not_allowed:
    'The signature is right; a rule of the route does not let this caller in: see `callers` in the configuration.',
  revoked: 'The signature is right, but its key was revoked.',
  expired: 'The signature is right, but its key has expired.',
  replayed: 'The signature is right, and its nonce was used before: each request needs a new one.',
};

async function whyRefused(
  invocation: Invocation,
  { request, key }: Order,
  { headers }: Signed,
  reason: string,
): Promise<string> {
  if (reason !== 'invalid_signature') return WHY[reason] ?? `The server says: ${reason}.`;
  if (!existsSync(invocation.configFile))
    return `The server holds another key for ${key.keyid}, or saw another request: host, path, query and body are signed. Where its configuration is, this command says which.`;
  const { difference } = await compare(invocation, {
    ...request,
    protocol: request.scheme,
    fields: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    bodyPresence: (request.body?.length ?? 0) === 0 ? 'none' : 'present',
    body: async () => request.body ?? new Uint8Array(),
  });
  return difference === null
    ? 'The signature is right for this request: it must have arrived as another one (method, host, path, query or body).'
    : `First difference: ${difference}.`;
}

type Request = HttpSignatureQuestion['request'];

/** Against the keys that this configuration knows: those of its store and of its key files. */
function compare(invocation: Invocation, request: Request): ReturnType<typeof explainHttpSignature> {
  return atWork(invocation, async ({ config, store }) => {
    const prefixes = config.services.map(({ name }) => `/${name}`);
    const keysOf = (keyid: string) => heldSignatureKeys(config, store, sealOf(config, invocation), keyid);
    return explainHttpSignature({ request, keysOf, prefixes });
  });
}

/** For a request that somebody else signed: from its capture, with the key of --key-file or those that the verifier has. */
export async function explainReceivedHttp(invocation: Invocation, captured: CapturedRequest): Promise<number> {
  const { out } = invocation;
  // A body that was captured in chunks has their sizes in it.
  const body = captured.fields.has('transfer-encoding') ? null : captured.body;
  const request = receivedRequest(captured, bodyOption(invocation) ?? body);
  const file = invocation.text('key-file');
  const given = file === null ? null : await signingKeyOrPem(invocation, file, 'the key');
  const { matches, difference, base } =
    given === null
      ? await compare(invocation, request)
      : await explainHttpSignature({ request, keysOf: async () => [heldFrom(given.secret)] });
  if (invocation.json) out.json({ matches, difference, signature_base: base });
  else {
    if (invocation.flag('explain') && base !== null)
      for (const line of ['The signature base of this request:', ...base.split('\n').map((text) => `  ${text}`)])
        out.line(line);
    out.line(
      difference === null
        ? `The signature is right for this request${bodyWords(request)}.`
        : `First difference: ${difference}.`,
    );
  }
  return matches ? EXIT.done : EXIT.refused;
}

function bodyWords({ bodyPresence, fields }: Request): string {
  const covered = fields('content-digest').length > 0;
  return bodyPresence === 'unseen' && covered ? '; its body was not captured, so the digest was not compared' : '';
}

function receivedRequest({ method, target, fields }: CapturedRequest, body: Buffer | null): Request {
  const lines = (name: string): readonly string[] => fields.get(name) ?? [];
  const [host = ''] = lines('host');
  const saysBody = lines('transfer-encoding').length > 0 || Number(lines('content-length')[0] ?? 0) > 0;
  const protocol = lines('x-forwarded-proto').at(-1) === 'https' || host.endsWith(':443') ? 'https' : 'http';
  return {
    method,
    target,
    authority: host.toLowerCase(),
    protocol,
    fields: lines,
    bodyPresence: body !== null ? 'present' : saysBody ? 'unseen' : 'none',
    body: async () => body ?? new Uint8Array(),
  };
}

function heldFrom(secret: string): HeldSignatureKey {
  if (!secret.startsWith('-----BEGIN')) return { kind: 'hs', secret };
  try {
    const isPrivate = secret.includes('PRIVATE KEY');
    return { kind: 'ed25519', publicPem: isPrivate ? ed25519PublicOf(secret) : ed25519PublicPem(secret) };
  } catch {
    throw refused('the key is in PEM form, and not an Ed25519 key');
  }
}
