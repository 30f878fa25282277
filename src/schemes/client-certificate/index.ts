export { clientCertificate, type CertificateNames, type ClientCertificateOptions } from './scheme.ts';
