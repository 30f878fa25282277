import { coveredAlways, tag } from './profile.ts';
import { signatureBase } from './base.ts';
import { contentDigest } from './content-digest.ts';
import { componentOf } from './dictionary.ts';

/** What signs: an HMAC secret or an Ed25519 private key, by the name under which the verifier knows it. */
export interface SigningKey {
  readonly keyid: string;
  sign(base: string): Uint8Array | Promise<Uint8Array>;
}

export interface RequestToSign {
  readonly method: string;
  /** Path and query, exactly as they go on the request line. */
  readonly target: string;
  /** Host, lower case, without the scheme's default port. */
  readonly authority: string;
  readonly scheme: 'http' | 'https';
  /** The exact bytes; null for none. */
  readonly body: Uint8Array | null;
  /** Epoch seconds, whole. */
  readonly created: number;
  /** Unique for the key: 128 random bits. */
  readonly nonce: string;
}

/** The fields to add to the request, and the base that was signed, for those who must explain it. */
export async function signHttpRequest(
  request: RequestToSign,
  key: SigningKey,
): Promise<{ readonly headers: Record<string, string>; readonly base: string }> {
  const hasBody = request.body !== null && request.body.length > 0;
  const digest = hasBody ? contentDigest(request.body as Uint8Array) : null;
  const names: string[] = digest === null ? [...coveredAlways] : [...coveredAlways, 'content-digest'];
  const components = names.map((name) => componentOf(name));
  const list = `(${names.map((name) => `"${name}"`).join(' ')})`;
  const parameters = `${list};created=${request.created};nonce="${request.nonce}";keyid="${key.keyid}";tag="${tag}"`;
  const { method, target, authority, scheme } = request;
  const fields = (name: string): string[] => (name === 'content-digest' && digest !== null ? [digest] : []);
  const base = signatureBase({ method, target, authority, protocol: scheme, fields }, components, parameters);
  if (base === null) throw new Error('the signature base lacks a component that this function itself named');
  const signature = Buffer.from(await key.sign(base)).toString('base64');
  return {
    base,
    headers: {
      ...(digest === null ? {} : { 'content-digest': digest }),
      'signature-input': `${tag}=${parameters}`,
      signature: `${tag}=:${signature}:`,
    },
  };
}
