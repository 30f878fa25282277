// Before the library, which registers its parts with it.
import 'reflect-metadata';
import { X509Certificate } from '@peculiar/x509';
import { plainSerial } from '../core/certificate.ts';

/** The serial of a certificate in PEM, as it is kept. Throws for what is no certificate. */
export function serialOf(pem: string): string {
  return plainSerial(new X509Certificate(pem).serialNumber);
}
