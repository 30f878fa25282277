/** Compared by code. */
export class CertificateError extends Error {
  readonly code:
    | 'ca_exists'
    | 'ca_missing'
    | 'ca_changed'
    | 'not_permitted'
    | 'certificate_unknown'
    | 'certificate_not_written';
  constructor(code: CertificateError['code'], message: string) {
    super(message);
    this.name = 'CertificateError';
    this.code = code;
  }
}
