import { createPrivateKey, createPublicKey, generateKeyPair, sign, verify, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** Verifies Ed25519 signatures (RFC 8032) off the main thread: on it a verification blocks for ten times as long. */
export interface Ed25519PublicKey {
  verify(message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

export interface Ed25519PrivateKey {
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Both halves as PEM: PKCS #8 and SubjectPublicKeyInfo. */
export interface Ed25519Pair {
  readonly privatePem: string;
  readonly publicPem: string;
}

const signatureLength = 64;

/**
 * Points of small order by their y, as hex without the sign bit: under such a key OpenSSL 3.0, which Node 22 has, finds a signature of
 * nobody right for any message, or for some.
 */
const smallOrder: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

export async function ed25519Pair(): Promise<Ed25519Pair> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('ed25519');
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** Throws a TypeError when the PEM is not an Ed25519 public key; the message never holds key material. */
export function ed25519PublicKey(pem: string): Ed25519PublicKey {
  const key = readPublic(pem);
  return {
    verify: (message, signature) =>
      new Promise((resolve) => {
        if (signature.length !== signatureLength) resolve(false);
        else verify(null, message, key, signature, (error, right) => resolve(!error && right));
      }),
  };
}

/**
 * The one form in which a public key is kept: SubjectPublicKeyInfo as PEM. Throws a TypeError when the text is anything else,
 * and for a private key too, whose public half OpenSSL would take without a word: it must not be handed around.
 */
export function ed25519PublicPem(text: string): string {
  if (text.includes('PRIVATE KEY')) throw new TypeError('this is a private key, where the public half belongs');
  return readPublic(text).export({ type: 'spki', format: 'pem' }).toString();
}

/** Throws a TypeError when the PEM is not an Ed25519 private key; the message never holds key material. */
export function ed25519PrivateKey(pem: string): Ed25519PrivateKey {
  const key = read(() => createPrivateKey(pem), 'private');
  return {
    sign: (message) =>
      new Promise((resolve, reject) => {
        sign(null, message, key, (error, signature) => (error ? reject(error) : resolve(signature)));
      }),
  };
}

/** The public half of a private key, in the one form in which it is kept. Throws a TypeError as ed25519PrivateKey does. */
export function ed25519PublicOf(privatePem: string): string {
  return createPublicKey(read(() => createPrivateKey(privatePem), 'private'))
    .export({ type: 'spki', format: 'pem' })
    .toString();
}

function readPublic(pem: string): KeyObject {
  const key = read(() => createPublicKey(pem), 'public');
  const point = key.export({ type: 'spki', format: 'der' }).subarray(-32);
  point[31] = (point[31] as number) & 0x7f;
  if (smallOrder.has(point.toString('hex')))
    throw new TypeError('this Ed25519 public key proves nobody: make another pair');
  return key;
}

function read(open: () => KeyObject, half: string): KeyObject {
  let key: KeyObject | null = null;
  try {
    key = open();
  } catch {
    // OpenSSL's words help nobody, and could quote what they were given.
  }
  if (key?.asymmetricKeyType !== 'ed25519') throw new TypeError(`not an Ed25519 ${half} key in PEM form`);
  return key;
}
