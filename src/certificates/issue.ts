// Before the library, which registers its parts with it.
import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type JsonGeneralNames,
} from '@peculiar/x509';
import { isIP } from 'node:net';
import { nameConstraints, nameConstraintsId, type PermittedNames } from './name-constraints.ts';

/** P-256, which every TLS client takes; Ed25519 is refused by browsers and by several libraries. */
const keys = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;
const { subtle } = globalThis.crypto;
type PrivateKey = Parameters<typeof subtle.exportKey>[1];

/** A certificate and its private key, both as PEM. */
export interface Issued {
  readonly certificate: string;
  readonly privateKey: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Validity {
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** An authority that signs certificates of services itself (path length 0), and can name nothing but what it is permitted. */
export async function issueRoot(commonName: string, permitted: PermittedNames, validity: Validity): Promise<Issued> {
  const pair = await subtle.generateKey(keys, true, ['sign', 'verify']);
  const serial = newSerial();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    name: [{ CN: [commonName] }],
    ...dates(validity),
    keys: pair,
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new Extension(nameConstraintsId, true, nameConstraints(permitted)),
      await SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  });
  return issued(certificate, pair.privateKey, serial, validity);
}

export interface LeafOptions extends Validity {
  readonly service: string;
  readonly trustDomain: string;
  /** Names and addresses under which the service is reached. */
  readonly hosts: readonly string[];
  /** For what it may be used; both unless said. */
  readonly usage?: 'server' | 'client' | 'both';
}

/** A certificate of a service, with a new key; SPIFFE X509-SVID §3 and §4. It never outlives its authority. */
export async function issueLeaf(
  root: Pick<Issued, 'certificate' | 'privateKey'>,
  options: LeafOptions,
): Promise<Issued> {
  const { service, trustDomain, hosts, usage = 'both' } = options;
  const authority = new X509Certificate(root.certificate);
  const signingKey = await subtle.importKey('pkcs8', PemConverter.decodeFirst(root.privateKey), keys, false, ['sign']);
  const pair = await subtle.generateKey(keys, true, ['sign', 'verify']);
  const serial = newSerial();
  const notAfter = Math.min(options.notAfter, Math.floor(authority.notAfter.getTime() / 1000));
  const validity = { notBefore: options.notBefore, notAfter };
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial,
    subject: [{ CN: [service.slice(0, 64)] }],
    issuer: authority.subject,
    ...dates(validity),
    signingKey,
    publicKey: pair.publicKey,
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(usages[usage]),
      new SubjectAlternativeNameExtension(alternatives(service, trustDomain, hosts)),
      await SubjectKeyIdentifierExtension.create(pair.publicKey),
      await AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return issued(certificate, pair.privateKey, serial, validity);
}

const usages = {
  server: [ExtendedKeyUsage.serverAuth],
  client: [ExtendedKeyUsage.clientAuth],
  both: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
};

function alternatives(service: string, trustDomain: string, hosts: readonly string[]): JsonGeneralNames {
  return [
    { type: 'url', value: `spiffe://${trustDomain}/${service}` },
    ...hosts.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
  ];
}

/** 128 random bits, positive and without leading zeros (RFC 5280 §4.1.2.2). */
function newSerial(): string {
  const bytes = globalThis.crypto.getRandomValues(Buffer.alloc(17));
  bytes[0] = 1;
  return bytes.toString('hex').slice(1);
}

function dates({ notBefore, notAfter }: Validity): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(notBefore * 1000), notAfter: new Date(notAfter * 1000) };
}

async function issued(
  certificate: X509Certificate,
  key: PrivateKey,
  serial: string,
  validity: Validity,
): Promise<Issued> {
  const privateKey = PemConverter.encode(await subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
  return { certificate: `${certificate.toString('pem')}\n`, privateKey: `${privateKey}\n`, serial, ...validity };
}
