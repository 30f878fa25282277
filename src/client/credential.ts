import { ed25519PrivateKey } from '../crypto/ed25519.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import { randomBase62 } from '../crypto/random.ts';
import { apiKeyHeaders } from '../schemes/api-key/index.ts';
import { signHttpRequest, type SigningKey } from '../schemes/http-signature/index.ts';
import { isServiceId, signServiceRequest } from '../schemes/service-signature/index.ts';
import {
  apiKeyForm,
  heldKey,
  hmacForm,
  isPem,
  serviceKeyVariable,
  type HeldKey,
  type KeyForm,
  type KeyPlace,
} from './held-key.ts';

/** Sends the key itself: for a called service's shared key, one's own API key, or a session token. */
export type ApiKeyCredential = KeyPlace & {
  readonly kind: 'api-key';
  /** 'authorization' (a Bearer) unless said. */
  readonly header?: 'authorization' | 'x-api-key';
};

/** Signs method, path and time: neither query nor body. */
export type ServiceSignatureCredential = KeyPlace & {
  readonly kind: 'service-signature';
  readonly serviceId: string;
};

/** Signs method, host, path, query and body, each request once. The key is an HMAC secret, or an Ed25519 private key as PEM. */
export type HttpSignatureCredential = KeyPlace & {
  readonly kind: 'http-signature';
  /** The key's id, or the service's. */
  readonly keyid: string;
};

/** Sends nothing: the certificate of the connection proves the caller. Needs `tls` with `cert` and `key`. */
export interface ClientCertificateCredential {
  readonly kind: 'client-certificate';
}

/** How a caller proves itself in each request. */
export type ServiceCredential = ApiKeyCredential | ServiceSignatureCredential | HttpSignatureCredential;

/** One request as it goes on the wire. */
export interface RequestToProve {
  readonly method: string;
  readonly protocol: 'http' | 'https';
  /** Host, lower case, without the default port. */
  readonly authority: string;
  /** Path and query. */
  readonly target: string;
  /** The exact bytes, for a credential that covers the body; null for none. */
  readonly body: Uint8Array | null;
  /** Epoch seconds, whole. */
  readonly timestamp: number;
}

/** Proves requests with one credential. */
export interface Prover {
  readonly kind: (ServiceCredential | ClientCertificateCredential)['kind'];
  /** The body is part of the proof, so its bytes are needed before the request is sent. */
  readonly coversBody: boolean;
  /** The proof holds the time, so a clock that is off spoils it. */
  readonly timed: boolean;
  /** The fields to add, by lower-case name. */
  headers(request: RequestToProve): Promise<Record<string, string>>;
  /** The key that proves. `headers` has read it when it returns its promise. */
  readonly key: HeldKey;
}

/** Throws on a credential that could never work: a ClientError about the key, a TypeError about the rest. */
export function prover(credential: ServiceCredential): Prover {
  switch (credential?.kind) {
    case 'api-key':
      return apiKeyProver(credential);
    case 'service-signature':
      return serviceSignatureProver(credential);
    case 'http-signature':
      return httpSignatureProver(credential);
    default:
      throw new TypeError(
        "credential must be { kind: 'api-key', 'service-signature' or 'http-signature', and key or keyFile }",
      );
  }
}

/** For connections that prove the caller themselves. */
export function certificateProver(): Prover {
  const key: HeldKey = { read: () => '', generation: 0, reread: () => undefined };
  return { kind: 'client-certificate', coversBody: false, timed: false, headers: async () => ({}), key };
}

function apiKeyProver(credential: ApiKeyCredential): Prover {
  const { header = 'authorization' } = credential;
  if (header !== 'authorization' && header !== 'x-api-key')
    throw new TypeError("header must be 'authorization' or 'x-api-key'");
  const held = heldKey(credential, apiKeyForm);
  const form = header === 'x-api-key' ? header : 'bearer';
  return {
    kind: credential.kind,
    coversBody: false,
    timed: false,
    headers: async () => apiKeyHeaders(held.read(), form),
    key: held,
  };
}

function serviceSignatureProver(credential: ServiceSignatureCredential): Prover {
  const { kind, serviceId } = credential;
  // Without the type, nothing at all would be signed for as 'undefined'.
  if (typeof serviceId !== 'string' || !isServiceId(serviceId))
    throw new TypeError(
      'serviceId must be a letter or digit, then up to 127 letters, digits, dots, underscores or dashes',
    );
  const held = heldKey(credential, hmacForm);
  return {
    kind,
    coversBody: false,
    timed: true,
    headers: async ({ method, target, timestamp }) =>
      signServiceRequest({ serviceId, secret: held.read(), method, target, timestamp }).headers,
    key: held,
  };
}

function httpSignatureProver(credential: HttpSignatureCredential): Prover {
  const { kind, keyid } = credential;
  if (typeof keyid !== 'string' || !/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/.test(keyid))
    throw new TypeError('keyid must be 1 to 256 printable ASCII characters without spaces, quotes and backslashes');
  const held = heldKey(credential, signingForm);
  let text = '';
  let sign: SigningKey['sign'] = () => new Uint8Array();
  function key(): SigningKey {
    const now = held.read();
    // Reading a private key costs more than signing with it.
    if (now !== text) [text, sign] = [now, signer(now)];
    return { keyid, sign };
  }
  return {
    kind,
    coversBody: true,
    timed: true,
    headers: async ({ method, target, authority, protocol, body, timestamp }) => {
      const nonce = randomBase62(22);
      const request = { method, target, authority, scheme: protocol, body, created: timestamp, nonce };
      return (await signHttpRequest(request, key())).headers;
    },
    key: held,
  };
}

const signingForm: KeyForm = {
  variable: serviceKeyVariable,
  judge(text) {
    if (!isPem(text)) return hmacForm.judge(text);
    try {
      ed25519PrivateKey(text);
      return null;
    } catch {
      return 'is not an Ed25519 private key in PEM form';
    }
  },
};

function signer(text: string): SigningKey['sign'] {
  if (isPem(text)) {
    const key = ed25519PrivateKey(text);
    return (base) => key.sign(Buffer.from(base, 'latin1'));
  }
  const key = hmacSha256(Buffer.from(text));
  return (base) => key.bytes(Buffer.from(base, 'latin1'));
}
