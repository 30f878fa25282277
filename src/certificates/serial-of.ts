// Before the library, which registers its parts with it.
import 'reflect-metadata';
import { X509Certificate } from '@peculiar/x509';

/** The serial of a certificate in PEM, as it is kept: lower-case hex without leading zeros. Throws for what is no certificate. */
export function serialOf(pem: string): string {
  return new X509Certificate(pem).serialNumber.toLowerCase().replace(/^0+(?=.)/, '');
}
