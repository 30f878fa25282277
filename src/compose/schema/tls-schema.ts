import { z } from 'zod';
import { duration, file, trustDomainPattern } from './schema-words.ts';

const serverFiles = {
  cert: file.describe('PEM file of the certificate, with those between it and its authority.'),
  key: file.describe('PEM file of its private key, which nobody else may be able to read.'),
};

export const listenTls = z.strictObject({
  ...serverFiles,
  clientCa: file
    .optional()
    .describe('PEM file of the authorities whose client certificates count; without it none is asked for.'),
  trustDomain: z
    .string()
    .regex(trustDomainPattern, { error: 'write the trust domain of your SPIFFE ids: stack.internal' })
    .optional()
    .describe('A certificate with the SPIFFE id spiffe://<trustDomain>/<service> proves that service.'),
  subjects: z
    .record(z.string().min(1), z.string(), { error: 'write common names below it: subjects: { batch-1: batch }' })
    .optional()
    .describe('Services by common name, for certificates without a SPIFFE id.'),
});

export const adminTls = z.strictObject(serverFiles);

export const upstreamTls = z.strictObject({
  ca: file.optional().describe('PEM file of the authorities of the upstream; default those that Node trusts.'),
  cert: file.optional().describe('PEM file of the certificate that we show to it.'),
  key: file.optional().describe('PEM file of the private key of that certificate.'),
  serverName: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, { error: 'write a host name: embeddings.internal' })
    .optional()
    .describe('The name that the certificate of the upstream must have; default the host of its address.'),
});

export const keptCertificate = z.strictObject({
  folder: file.describe('Where <service>.crt, <service>.key and ca.pem are written; it must exist.'),
  hosts: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9:][a-z0-9.:-]{0,252}$/, { error: 'write host names and addresses: embeddings.stack.internal' }),
    )
    .optional()
    .describe('Names and addresses under which the service is reached over TLS; default none.'),
  life: duration
    .optional()
    .describe('Life of a certificate, which is renewed when a third of it is left; default 24h.'),
});
