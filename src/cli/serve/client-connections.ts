import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { authoritiesIn, isIssuedBy, type Authorities } from '../../crypto/authorities.ts';

/** Connections on which clients show certificates. What was found of one when it was opened must not outlast its authority. */
export interface ClientConnections {
  watch(server: Server): void;
  /** `ca`: who is trusted from now on, PEM. */
  trustOnly(ca: string): void;
}

export function clientConnections(): ClientConnections {
  const proven = new Set<TLSSocket>();
  /** Whose handshake is not over, by where it comes from: it goes on by what was trusted when it began. */
  const begun = new Map<string, Socket>();
  let trusted: Authorities = new Map();

  return {
    watch(server) {
      server.on('connection', (socket: Socket) => {
        const place = placeOf(socket);
        begun.set(place, socket);
        socket.once('close', () => begun.get(place) === socket && begun.delete(place));
      });
      server.on('secureConnection', (socket: TLSSocket) => {
        begun.delete(placeOf(socket));
        // A certificate that does not count proves nothing, now or later.
        if (!socket.authorized) return;
        proven.add(socket);
        socket.once('close', () => proven.delete(socket));
      });
    },
    trustOnly(ca) {
      const before = trusted;
      trusted = authoritiesIn(ca);
      if ([...before.keys()].every((fingerprint) => trusted.has(fingerprint))) return;
      for (const socket of begun.values()) socket.destroy();
      // Of a certificate from further down node:tls does not tell at whom the chain ends; who still counts connects anew.
      for (const socket of proven) {
        const certificate = socket.getPeerX509Certificate();
        if (certificate === undefined || !isIssuedBy(certificate, trusted)) socket.destroy();
      }
    },
  };
}

function placeOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
