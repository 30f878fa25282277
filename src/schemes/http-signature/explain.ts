import { canonicalBase64 } from '../../crypto/base64.ts';
import { fingerprint } from '../../crypto/digest.ts';
import { equalBytes } from '../../crypto/compare.ts';
import { ed25519PublicKey } from '../../crypto/ed25519.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import type { AuthRequest } from '../../core/request.ts';
import { keyMistakes } from '../key-mistakes.ts';
import { signatureBase } from './base.ts';
import { baseMistakes, type BaseMistake } from './mistakes.ts';
import type { ProfiledInput } from './profile.ts';
import { bodyFault, notCanonical, readSigned, withoutDefaultPort, type Signed } from './scheme.ts';

/** A key as the verifier holds it: to compare with, never to show. */
export type HeldSignatureKey =
  | { readonly kind: 'hs'; readonly secret: string }
  | { readonly kind: 'ed25519'; readonly publicPem: string };

export interface HttpSignatureQuestion {
  /** As it arrived; `bodyPresence` is 'unseen' where nobody kept the body. */
  readonly request: Pick<
    AuthRequest,
    'method' | 'target' | 'authority' | 'protocol' | 'fields' | 'bodyPresence' | 'body'
  >;
  /** The keys that go by this keyid, an id or a service. */
  keysOf(keyid: string): Promise<readonly HeldSignatureKey[]>;
  /** '/embeddings': what gateways put in front of paths; a caller may have left it out, or put it in twice. */
  readonly prefixes?: readonly string[];
}

export interface HttpSignatureAnswer {
  /** True when signature and body are right for this request; its age and its nonce are not looked at. */
  readonly matches: boolean;
  /** The signature base that should have been signed; null when the request says too little. No secret in it. */
  readonly base: string | null;
  /** The first difference in plain words, with what to do; null when it matches. */
  readonly difference: string | null;
}

/**
 * Says why a signature is not ours, in the order in which the verifier looks: the fields, the key, the signature, the body.
 * The usual mistakes are made on purpose, until one gives the signature that arrived.
 */
export async function explainHttpSignature(question: HttpSignatureQuestion): Promise<HttpSignatureAnswer> {
  const { request } = question;
  const signed = readSigned(request.fields('signature-input'), request.fields('signature'));
  if (signed === null) return unlike('the request carries no Signature-Input with tag="countersign"');
  if ('allowed' in signed) return unlike(signed.note);
  const signature = canonicalBase64(signed.signature);
  if (signature === null) return unlike(notCanonical);
  const { input, coversDigest } = signed.profile;
  const { method, target, protocol } = request;
  const authority = withoutDefaultPort(request.authority, protocol);
  const message = { method, target, authority, protocol, fields: (name: string) => request.fields(name) };
  const base = signatureBase(message, input.components, input.text);
  if (base === null) {
    const lacking = input.components.find((component) => signatureBase(message, [component], '') === null);
    return unlike(`the signature covers "${lacking?.name}", which the request does not carry, or not in ASCII`);
  }
  const keys = await question.keysOf(signed.profile.keyid);
  const keyNote = keyFault(signed.profile, signature, keys);
  if (keyNote !== null) return unlike(keyNote, base);
  const bases: BaseMistake[] = [{ base, words: '' }, ...baseMistakes(message, input, question.prefixes)];
  const found = await usualMistakes(signature, keys, bases);
  if (found === null) return unlike(unknownMistake(signed, keys, base), base);
  if (found !== '') return unlike(found, base);
  const bodyNote = await bodyFault(request, coversDigest);
  return bodyNote === null ? { matches: true, base, difference: null } : unlike(bodyNote, base);
}

function unlike(difference: string, base: string | null = null): HttpSignatureAnswer {
  return { matches: false, base, difference };
}

const algorithms = { hs: 'hmac-sha256', ed25519: 'ed25519' } as const;
const signatureLengths = { hs: 32, ed25519: 64 } as const;

function keyFault(
  { keyid, input }: ProfiledInput,
  signature: Uint8Array,
  keys: readonly HeldSignatureKey[],
): string | null {
  const { alg } = input.parameters;
  const [first] = keys;
  if (first === undefined)
    return `no key of "${keyid}" is known here: keyid is the id of a key, or the service whose key it is`;
  if (alg !== null && keys.every(({ kind }) => algorithms[kind] !== alg))
    return `the key is for ${algorithms[first.kind]}, and the parameter alg says ${alg}: leave it out`;
  if (hexOf(signature) === null && keys.every(({ kind }) => signatureLengths[kind] !== signature.length))
    return `the signature has ${signature.length} bytes, and ${algorithms[first.kind]} makes ${signatureLengths[first.kind]}`;
  return null;
}

/** '' when the signature is right as it is, null when no mistake gives it. */
async function usualMistakes(
  signature: Uint8Array,
  keys: readonly HeldSignatureKey[],
  bases: readonly BaseMistake[],
): Promise<string | null> {
  const hex = hexOf(signature);
  const forms = [
    { bytes: signature, words: '' },
    ...(hex === null
      ? []
      : [{ bytes: hex, words: 'the signature was written as hex before it was put in base64: encode the bytes' }]),
  ];
  for (const form of forms)
    for (const { base, words } of bases)
      for (const key of keys) {
        const keyWords = await madeWith(key, Buffer.from(base, 'latin1'), form.bytes);
        if (keyWords !== null) return [words, keyWords, form.words].filter((text) => text !== '').join('; and ');
      }
  return null;
}

/** How the key was taken, '' for rightly; null when this key did not make the signature. */
async function madeWith(key: HeldSignatureKey, base: Buffer, signature: Uint8Array): Promise<string | null> {
  if (key.kind === 'ed25519') return (await ed25519PublicKey(key.publicPem).verify(base, signature)) ? '' : null;
  const takings = [{ key: Buffer.from(key.secret), words: '' }, ...keyMistakes(key.secret)];
  const made = takings.find(
    (taken) => taken.key.length > 0 && equalBytes(hmacSha256(taken.key).bytes(base), signature),
  );
  return made?.words ?? null;
}

function hexOf(signature: Uint8Array): Buffer | null {
  const text = Buffer.from(signature).toString('latin1');
  return /^(?:[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})$/.test(text) ? Buffer.from(text, 'hex') : null;
}

function unknownMistake({ profile }: Signed, keys: readonly HeldSignatureKey[], base: string): string {
  const prints = keys.map((key) => fingerprint(key.kind === 'hs' ? key.secret : key.publicPem));
  const held = prints.length === 1 ? `fingerprint ${prints[0]}` : `fingerprints ${prints.join(', ')}`;
  return `none of the usual mistakes gives this signature, so it is most likely made with another key than that of "${profile.keyid}" (${held}). If it is the same, compare what was signed with this, line by line:\n${base}`;
}
