import type { Clock } from '../../core/clock.ts';
import { lifeFault, type SignatureKeyEntry } from '../../core/credential.ts';
import { andThen, isPromise, type MaybePromise } from '../../core/maybe-promise.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Scheme } from '../../core/scheme.ts';
import {
  allow,
  deny,
  denyPrincipal,
  type Denied,
  type DeniedDetails,
  type Reason,
  type Verdict,
} from '../../core/verdict.ts';
import { canonicalBase64 } from '../../crypto/base64.ts';
import { signatureBase, type SignedMessage } from './base.ts';
import { parseContentDigest } from './content-digest.ts';
import { DictionaryFault, parseSignatureInput, signatureUnder } from './dictionary.ts';
import { digestCheck } from './digest-check.ts';
import { coveredAlways, profiled, tag, type ProfiledInput } from './profile.ts';

export interface HttpSignatureOptions {
  readonly keys: { signatureKeys(keyid: string): readonly SignatureKeyEntry[] };
  readonly clock: Clock;
  /** How old a signature may be, seconds. */
  readonly ageSecondsMax?: number;
  /** How far the caller's clock may be ahead of ours, seconds. */
  readonly skewSecondsMax?: number;
  /**
   * For which hosts signatures are made that count here; null for any. Whoever is called has a good signature that nobody has seen,
   * and could have it count at another service, under its own name as the host.
   */
  readonly hosts?: readonly string[] | null;
  /**
   * True for exactly one caller per key and nonce until `expiresAt` (epoch seconds); asked only after all else was found
   * right. Throws or rejects when it cannot tell.
   */
  readonly once: (credentialId: string, nonce: string, expiresAt: number) => MaybePromise<boolean>;
}

/** One signature with our tag, in the form that the profile asks for. */
export interface Signed {
  readonly profile: ProfiledInput;
  /** Base64; as received where it is the only one, and then perhaps not canonical. */
  readonly signature: string;
}

const name = 'http-signature';
export const notCanonical = 'Signature: expected bytes in canonical base64';
/** Signers write it last, ours at least. */
const tagParameter = `tag="${tag}"`;

/**
 * HTTP Message Signatures (RFC 9421) in the profile of profile.ts, with Content-Digest (RFC 9530). Order: shape, time (after
 * which the signature is still checked, to know whose clock is off), signature, life, body, nonce last: a forger cannot
 * burn a nonce, and nobody makes us hold a body without a key.
 */
export function httpSignature(options: HttpSignatureOptions): Scheme {
  const { keys, clock, once, ageSecondsMax = 60, skewSecondsMax = 30, hosts = null } = options;

  // Nothing here awaits what is known already: with an HMAC key and without a body all is judged at once.
  function judge(request: AuthRequest, signed: Signed): MaybePromise<Verdict> {
    const now = clock();
    const { input, keyid, created } = signed.profile;
    const candidates = keys.signatureKeys(keyid);
    const message = signedMessage(request);
    if (hosts !== null && !hosts.includes(message.authority))
      return refuse(
        'invalid_signature',
        `the signature is for the host "${message.authority}", which is none of this service`,
      );
    const base = signatureBase(message, input.components, input.text);
    if (base === null) return refuse('invalid_signature', 'a covered component is not in the request, or not ASCII');
    const dropped = droppedField(request, signed.profile.fields);
    if (dropped !== null)
      return refuse(
        'invalid_signature',
        `Connection names ${dropped}, which the signature covers: it would not be passed on`,
      );
    return andThen(verifiedBy(candidates, signed, base), (entry) => {
      if (entry) return judgeProven(request, signed, entry, now);
      if (canonicalBase64(signed.signature) === null) return refuse('malformed_credentials', notCanonical);
      const note = timeFault(signed.profile, now);
      if (note) return refuse('timestamp_outside_window', note, { skewSeconds: skewOf(created, now) });
      return unverified(candidates, signed.profile);
    });
  }

  function judgeProven(
    request: AuthRequest,
    { profile }: Signed,
    entry: SignatureKeyEntry,
    now: number,
  ): MaybePromise<Verdict> {
    const { principal } = entry;
    const skewSeconds = skewOf(profile.created, now);
    const objection = (reason: Reason, note: string): Denied =>
      denyPrincipal(principal, reason, note, { presentedAs: 'signature', skewSeconds });
    const note = timeFault(profile, now);
    if (note) return objection('timestamp_outside_window', note);
    const fault = lifeFault(entry, now);
    if (fault) return objection(fault, `the key ${principal.credentialId} is ${fault}`);
    return andThen(bodyFault(request, profile.coversDigest, principal.id), (bodyNote) => {
      if (bodyNote) return objection('invalid_signature', bodyNote);
      // Once more, since the body may have taken its time: nonces are remembered only for as long as signatures are good.
      const lateNote = timeFault(profile, clock());
      if (lateNote) return objection('timestamp_outside_window', `${lateNote}, when its body was complete`);
      // From the caller's time, not ours: a clock that is ahead makes the signature good for longer. The last second counts.
      const until = profile.created + ageSecondsMax + 1;
      return andThen(once(principal.credentialId, profile.nonce, until), (fresh) =>
        fresh ? allow(principal, skewSeconds) : objection('replayed', 'the nonce was used before'),
      );
    });
  }

  function timeFault({ created, expires }: ProfiledInput, now: number): string | null {
    if (created > now + skewSecondsMax) return `created ${Math.round(created - now)} s in the future`;
    if (created < now - ageSecondsMax) return `created ${Math.round(now - created)} s ago`;
    if (expires !== null && expires <= now) return `expired ${Math.round(now - expires)} s ago`;
    return null;
  }

  return {
    name,
    authenticate(request) {
      const lines = request.fields('signature-input');
      if (lines.length === 0) return null;
      const signed = readSigned(lines, request.fields('signature'));
      if (signed === null || 'allowed' in signed) return signed;
      return judge(request, signed);
    },
    challenge: () => `Signature realm="countersign", tag="${tag}"`,
    refusalHeaders(denied): Readonly<Record<string, string>> {
      // RFC 9421 §5.1: what would be accepted; with Date, a caller can mend its clock and try once more.
      if (denied.reason !== 'timestamp_outside_window' || denied.scheme !== name) return {};
      return { 'accept-signature': acceptSignature() };
    },
  };
}

function acceptSignature(): string {
  const components = [...coveredAlways, 'content-digest'].map((component) => `"${component}"`).join(' ');
  return `countersign=(${components});created;keyid;nonce;tag="${tag}"`;
}

/** Null when none of the signatures has our tag: somebody else's business. */
export function readSigned(inputLines: readonly string[], signatureLines: readonly string[]): Signed | Denied | null {
  if (!inputLines.some((line) => line.endsWith(tagParameter) || line.includes(tagParameter))) return null;
  if (inputLines.length > 1 || signatureLines.length !== 1)
    return refuse('malformed_credentials', 'Signature-Input and Signature must each be one line');
  try {
    const ours = parseSignatureInput(inputLines[0] as string).filter((input) => input.parameters.tag === tag);
    const [input] = ours;
    if (!input) return null;
    if (ours.length > 1) return refuse('malformed_credentials', `more than one signature has the tag "${tag}"`);
    const signature = signatureUnder(signatureLines[0] as string, input.label);
    if (signature === undefined) return refuse('malformed_credentials', `Signature has no member "${input.label}"`);
    return { profile: profiled(input), signature };
  } catch (error) {
    if (error instanceof DictionaryFault) return refuse('malformed_credentials', error.message);
    throw error;
  }
}

/** The first key that verifies; synchronous for as long as the keys are. */
function verifiedBy(
  candidates: readonly SignatureKeyEntry[],
  signed: Signed,
  base: string,
  from = 0,
): MaybePromise<SignatureKeyEntry | null> {
  const { alg } = signed.profile.input.parameters;
  for (let index = from; index < candidates.length; index += 1) {
    const entry = candidates[index] as SignatureKeyEntry;
    // The algorithm belongs to the key; what the message says may only agree.
    if (alg !== null && alg !== entry.algorithm) continue;
    const right = entry.verify(base, signed.signature);
    if (isPromise(right)) return right.then((yes) => (yes ? entry : verifiedBy(candidates, signed, base, index + 1)));
    if (right) return entry;
  }
  return null;
}

function unverified(candidates: readonly SignatureKeyEntry[], { input, keyid }: ProfiledInput): Denied {
  const { alg } = input.parameters;
  const [first] = candidates;
  const shown = keyid.slice(0, 64);
  if (!first) return refuse('unknown_service', `no key "${shown}" is known`, { mayBeNew: true });
  const caller = { id: first.principal.id, proven: false };
  if (alg !== null && candidates.every(({ algorithm }) => algorithm !== alg))
    return refuse('invalid_signature', `the key is for ${first.algorithm}, the message says ${alg.slice(0, 32)}`, {
      caller,
    });
  return refuse('invalid_signature', `the signature is not that of key "${shown}" over this request`, {
    caller,
    // By the name of its service it may be a newer key.
    mayBeNew: keyid !== first.principal.credentialId,
  });
}

/** The caller's clock minus ours, seconds. */
function skewOf(created: number, now: number): number {
  return created - Math.floor(now);
}

/** What is wrong with the body and its digest, in words for the operator. */
export function bodyFault(
  request: Pick<AuthRequest, 'fields' | 'bodyPresence' | 'body'>,
  coversDigest: boolean,
  caller?: string,
): MaybePromise<string | null> {
  const lines = request.fields('content-digest');
  if (!coversDigest) {
    if (request.bodyPresence === 'present')
      return 'the request has a body that the signature does not cover (content-digest)';
    return lines.length > 0 ? 'the request has a Content-Digest that the signature does not cover' : null;
  }
  const digest = lines.length === 1 ? parseContentDigest(lines[0] as string) : null;
  if (!digest) return 'Content-Digest must be one canonical sha-256 or sha-512 digest';
  // Whoever asks on behalf of a proxy never sees the body; its holder has to compare.
  if (request.bodyPresence === 'unseen') return null;
  const check = digestCheck(digest);
  return request
    .body(check.onPiece, caller)
    .then((body) => (check.matches(body) ? null : 'the body is not the one that was signed (content-digest differs)'));
}

/** A field that whoever passes the request on must take out (RFC 9110 §7.6.1), since an uncovered line says so. */
function droppedField(request: AuthRequest, fields: readonly string[]): string | null {
  if (fields.length === 0) return null;
  const options = request.fields('connection').flatMap((line) => line.toLowerCase().split(/[\s,]+/));
  return fields.find((field) => options.includes(field)) ?? null;
}

function signedMessage(request: AuthRequest): SignedMessage {
  const authority = withoutDefaultPort(request.authority, request.protocol);
  if (authority === request.authority) return request;
  const { method, target, protocol } = request;
  return { method, target, authority, protocol, fields: (field) => request.fields(field) };
}

/** RFC 9421 §2.2.3: the scheme's default port is left out. */
export function withoutDefaultPort(authority: string, protocol: 'http' | 'https'): string {
  const suffix = protocol === 'http' ? ':80' : ':443';
  return authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : authority;
}

function refuse(reason: Reason, note: string, details: DeniedDetails = {}): Denied {
  return deny(reason, note, { presentedAs: 'signature', scheme: name, ...details });
}
