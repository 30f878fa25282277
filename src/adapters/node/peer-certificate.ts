import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { plainSerial, type ClientCertificate } from '../../core/certificate.ts';

/** Nothing about it changes as long as the connection lasts: renegotiation is refused. */
const known = new WeakMap<Socket, ClientCertificate | null>();

/** What the caller's end of the connection proved; null without TLS, or without a certificate. */
export function peerCertificate({ socket }: IncomingMessage): ClientCertificate | null {
  if (!('encrypted' in socket) || socket.encrypted !== true) return null;
  let found = known.get(socket);
  if (found === undefined) known.set(socket, (found = read(socket as TLSSocket)));
  return found;
}

function read(socket: TLSSocket): ClientCertificate | null {
  const certificate = socket.getPeerX509Certificate?.();
  if (!certificate) return null;
  // Undefined for an empty one. What else than a line break begins a line to a regular expression may be part of a name.
  const subject = (certificate.subject as string | undefined)?.split('\n') ?? [];
  const names = subject.flatMap((line) => (line.startsWith('CN=') ? [line.slice(3)] : []));
  return {
    fault: socket.authorized ? null : String(socket.authorizationError),
    serial: plainSerial(certificate.serialNumber),
    commonName: names.length === 1 ? (names[0] as string) : null,
    uris: urisOf(certificate.subjectAltName ?? ''),
    notBefore: Math.ceil(Date.parse(certificate.validFrom) / 1000),
    notAfter: Math.floor(Date.parse(certificate.validTo) / 1000),
    isAuthority: certificate.ca,
  };
}

/** What node:tls had to put in quotes is no name that anybody should be known by; it is kept as it is, and matches nothing. */
function urisOf(alternatives: string): string[] {
  return alternatives.split(', ').flatMap((entry) => (entry.startsWith('URI:') ? [entry.slice(4)] : []));
}
