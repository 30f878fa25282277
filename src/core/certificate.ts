/** What the caller's end of a TLS connection proved, as the listener saw it. */
export interface ClientCertificate {
  /** Why the chain does not count: a code of OpenSSL, such as CERT_HAS_EXPIRED; null where it was verified. */
  readonly fault: string | null;
  /** As plainSerial has it. */
  readonly serial: string;
  /** The subject's only common name; null for none or several. */
  readonly commonName: string | null;
  /** URIs among the subject alternative names. */
  readonly uris: readonly string[];
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** It may issue certificates, so it is nobody's own. */
  readonly isAuthority: boolean;
}

/** The serial of a certificate in one spelling, however a program wrote it: lower-case hex without leading zeros. */
export function plainSerial(hex: string): string {
  return hex
    .toLowerCase()
    .replaceAll(':', '')
    .replace(/^0+(?=.)/, '');
}

/** The kind of the records of revoked certificates; the id is the serial as above, the end is that of the certificate. */
export const revokedCertificateKind = 'revoked-certificate';
