import { existsSync } from 'node:fs';
import { fingerprint } from '../../../crypto/digest.ts';
import {
  explainSignature,
  signServiceRequest,
  type SignedServiceRequest,
} from '../../../schemes/service-signature/index.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, usage } from '../../failure.ts';
import { secretFromFile, secretFromStdin, signingKeyFromFile } from '../../secret-input.ts';
import { asOperator } from '../../sign/as-operator.ts';
import { readCapturedRequest, type CapturedRequest } from '../../sign/captured-request.ts';
import { explainReceivedHttp, signHttp } from '../../sign/http-signature.ts';
import { heldKeys, prefixOf, type HeldKeys } from '../../sign/held-keys.ts';
import { saySent, saySigned, type Explained } from '../../sign/say-signed.ts';
import { sendSigned } from '../../sign/send-signed.ts';
import { keyFileOption, requestWords, timestampOption, warnOfApiKey } from '../../sign/sign-options.ts';
import { atWork, sealOf } from '../../workplace.ts';

interface Order {
  readonly serviceId: string;
  readonly secret: string;
  readonly method: string;
  readonly origin: string | null;
  readonly target: string;
}

export async function sign(invocation: Invocation): Promise<number> {
  const scheme = invocation.text('scheme');
  if (scheme !== null && scheme !== 'service-signature' && scheme !== 'http-signature')
    throw usage('--scheme is service-signature or http-signature');
  const file = invocation.text('received');
  const received = file === null ? null : readCapturedRequest(file);
  if (scheme === 'http-signature' || (scheme === null && received?.fields.has('signature-input')))
    return received === null ? signHttp(invocation) : explainReceivedHttp(invocation, received);
  for (const option of ['keyid', 'body-file'])
    if (invocation.text(option) !== null) throw usage(`--${option} is for --scheme http-signature`);
  if (received !== null) return explainReceived(invocation, received);
  const order = await readOrder(invocation);
  const signed = signServiceRequest({ ...order, timestamp: timestampOption(invocation) });
  if (invocation.flag('send')) return send(invocation, order, signed);
  return saySigned(invocation, named(signed.headers), explained(order, signed, invocation));
}

async function readOrder(invocation: Invocation): Promise<Order> {
  const { method, origin, target } = requestWords(
    invocation,
    'countersign sign --service aidb --key-file aidb.key GET /embeddings/models',
  );
  if (invocation.flag('send') && origin === null) throw usage('--send needs the whole URL, not the path alone');
  const file = keyFileOption(invocation);
  const held = file === null ? null : signingKeyFromFile(file, 'the key to sign with');
  const serviceId = invocation.text('service') ?? (invocation.env['SERVICE_ID'] || held?.serviceId) ?? '';
  if (serviceId === '') throw usage('--service is needed: the service id to sign as');
  const secret = held?.secret ?? (await secretFromStdin(invocation, `the key of ${serviceId}`));
  warnOfApiKey(invocation, secret);
  return { serviceId, secret, method, origin, target };
}

/** As people write them; HTTP does not mind. */
function named(headers: Readonly<Record<string, string>>): Record<string, string> {
  return {
    'X-Service-ID': headers['x-service-id'] ?? '',
    'X-Service-Signature': headers['x-service-signature'] ?? '',
    'X-Service-Timestamp': headers['x-service-timestamp'] ?? '',
  };
}

interface Explanation {
  /** The exact string that is signed. */
  readonly message: string;
  readonly parts: {
    readonly service_id: string;
    readonly method: string;
    readonly path: string;
    readonly timestamp: string;
  };
  readonly not_signed: readonly string[];
  /** Tells keys apart without showing them. */
  readonly key_fingerprint: string;
}

function explanation(
  { serviceId, secret, method, target }: Order,
  { headers, message }: SignedServiceRequest,
): Explanation {
  const [path = '', query] = target.split('?', 2);
  return {
    message,
    parts: { service_id: serviceId, method, path, timestamp: headers['x-service-timestamp'] ?? '' },
    not_signed: [...(query === undefined ? [] : [`the query ?${query}`]), 'the body', 'all other headers'],
    key_fingerprint: fingerprint(secret),
  };
}

function explained(order: Order, signed: SignedServiceRequest, invocation: Invocation): Explained {
  const parts = explanation(order, signed);
  return { parts, lines: explanationLines(parts, invocation) };
}

function explanationLines(
  { message, parts, not_signed: notSigned, key_fingerprint: key }: Explanation,
  { out }: Invocation,
): string[] {
  const row = (name: string, text: string): string => `  ${out.paint('dim', name.padEnd(10))}  ${text}`;
  const when = new Date(Number(parts.timestamp) * 1000).toISOString().replace('.000Z', 'Z');
  return [
    'The string that is signed, without a line break at its end:',
    `  ${out.paint('cyan', message)}`,
    row('service id', parts.service_id),
    row('method', parts.method),
    row('path', `${parts.path}  (as on the request line, without the query)`),
    row('timestamp', `${parts.timestamp}  (${when})`),
    row('not signed', notSigned.join(', ')),
    `HMAC-SHA-256 over it, with the key as it is written (fingerprint ${key}), in lower-case hex:`,
  ];
}

async function send(invocation: Invocation, order: Order, signed: SignedServiceRequest): Promise<number> {
  // Equal signatures may be good once, and only the second tells these two apart.
  const timestamp = Number(signed.headers['x-service-timestamp']) - 1;
  const { headers: asking } = signServiceRequest({ ...order, timestamp });
  const answer = await asOperator(invocation, (run) => sendSigned({ ...order, asking, sending: signed.headers, run }));
  const why = (reason: string): Promise<string> => whyRefused(invocation, order, signed, reason);
  return saySent(invocation, answer, why, explained(order, signed, invocation));
}

const WHY: Readonly<Record<string, string>> = {
  timestamp_outside_window:
    "The time is too far from the server's: compare the clocks of both machines (date -u), and send whole seconds.",
  unknown_service:
    'The server knows no HMAC key of this service id: countersign keys create --kind hs, or keys import --kind hs.',
  not_allowed:
    'The signature is right; a rule of the route does not let this caller in: see `callers` in the configuration.',
  revoked: 'The signature is right, but its key was revoked.',
  expired: 'The signature is right, but its key has expired.',
  replayed: 'The signature is right and was used before: equal calls need another second.',
};

async function whyRefused(
  invocation: Invocation,
  order: Order,
  signed: SignedServiceRequest,
  reason: string,
): Promise<string> {
  if (reason !== 'invalid_signature') return WHY[reason] ?? `The server says: ${reason}.`;
  if (!existsSync(invocation.configFile)) {
    return `The server holds another key for ${order.serviceId}, or saw another path than ${order.target.split('?', 1)[0]}. Where its configuration is, this command says which.`;
  }
  const { serviceId, method, target, secret } = order;
  return compare(invocation, {
    serviceId,
    method,
    target,
    timestamp: signed.headers['x-service-timestamp'] ?? '',
    signature: signed.headers['x-service-signature'] ?? '',
    signedMessage: signed.message,
    signedWith: fingerprint(secret),
  });
}

type Question = Omit<Parameters<typeof explainSignature>[0], 'secrets' | 'prefix'>;

/** Against the keys that this configuration knows: those of its store and of its key files. */
async function compare(invocation: Invocation, question: Question): Promise<string> {
  return atWork(invocation, async ({ config, store }) => {
    const keys = await heldKeys(config, store, sealOf(config, invocation), question.serviceId);
    const prefix = prefixOf(config, question.target);
    const { difference } = explainSignature({
      ...question,
      secrets: keys.live,
      ...(prefix === undefined ? {} : { prefix }),
    });
    return differenceWords(difference, keys);
  });
}

function differenceWords(difference: string | null, { live, dead }: HeldKeys): string {
  if (difference === null)
    return 'The signature is right for this request: it must have arrived as another one (method, path or headers).';
  if (live.length === 0 && dead.length > 0) return `No live key is left: ${dead.join(', ')}.`;
  return `First difference: ${difference}.`;
}

/** For a request that somebody else signed: from its captured head, with the key of --key-file or those that the verifier has. */
async function explainReceived(invocation: Invocation, { method, target, fields }: CapturedRequest): Promise<number> {
  const { out } = invocation;
  const first = (name: string): string => fields.get(name)?.[0] ?? '';
  const question: Question = {
    serviceId: first('x-service-id'),
    method,
    target,
    timestamp: first('x-service-timestamp'),
    signature: first('x-service-signature'),
  };
  const missing = ['X-Service-ID', 'X-Service-Signature', 'X-Service-Timestamp'].filter(
    (name) => first(name.toLowerCase()) === '',
  );
  if (missing.length > 0) {
    out.line(`First difference: the request carries no ${missing.join(' and no ')}.`);
    return EXIT.refused;
  }
  const keyFile = invocation.text('key-file');
  const own =
    keyFile === null ? null : explainSignature({ ...question, secrets: [secretFromFile(keyFile, 'the key')] });
  const words =
    own === null ? await compare(invocation, question) : differenceWords(own.difference, { live: ['given'], dead: [] });
  const matches = words.startsWith('The signature is right');
  if (invocation.json) out.json({ matches, difference: matches ? null : words });
  else out.advice(words);
  return matches ? EXIT.done : EXIT.refused;
}
