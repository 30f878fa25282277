import { X509Certificate } from 'node:crypto';

/** From when and until when a certificate counts, in epoch seconds; of several in the text the first. */
export interface CertificateLife {
  readonly from: number;
  readonly until: number;
}

/** Throws for what is no certificate in PEM. */
export function certificateLife(pem: string): CertificateLife {
  const { validFrom, validTo } = new X509Certificate(pem);
  return { from: Date.parse(validFrom) / 1000, until: Date.parse(validTo) / 1000 };
}
