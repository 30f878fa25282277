import { X509Certificate } from 'node:crypto';

/** Certificates by their fingerprint. */
export type Authorities = ReadonlyMap<string, X509Certificate>;

const pem = /-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END \1?CERTIFICATE-----/g;

/** Those in a PEM text; what cannot be read is none. */
export function authoritiesIn(text: string): Authorities {
  const found = new Map<string, X509Certificate>();
  for (const [one] of text.matchAll(pem)) {
    const certificate = read(one);
    if (certificate !== null) found.set(certificate.fingerprint256, certificate);
  }
  return found;
}

/** Whether one of them issued it, with nobody in between. */
export function isIssuedBy(certificate: X509Certificate, authorities: Authorities): boolean {
  return [...authorities.values()].some((one) => certificate.checkIssued(one) && certificate.verify(one.publicKey));
}

function read(one: string): X509Certificate | null {
  try {
    return new X509Certificate(one);
  } catch {
    return null;
  }
}
