import type { Server } from 'node:http';
import type { SecureContextOptions, Server as TlsServer, TlsOptions } from 'node:tls';
import type { ListenTlsConfig, StackConfig } from '../../compose/config.ts';
import { followTls, type FollowedTls } from '../../compose/wiring/tls-files.ts';
import { listenerTlsOptions } from '../../crypto/tls-options.ts';
import { refused } from '../failure.ts';
import { clientConnections } from './client-connections.ts';

/** The doors of one certificate: the admin side's, and all others. */
export type Side = 'main' | 'admin';

/** The TLS of the doors: what each is opened with, and kept fresh afterwards. Null for plain HTTP. */
export interface DoorTls {
  readonly main: TlsOptions | null;
  readonly admin: TlsOptions | null;
  /** The server takes up what its files hold from now on. */
  follow(side: Side, server: Server): void;
  close(): void;
}

/** Throws a Failure when the files cannot be used as they are. */
export function doorTls(
  { tls, adminTls }: Pick<StackConfig, 'tls' | 'adminTls'>,
  warn: (text: string) => void,
): DoorTls {
  const servers: Record<Side, TlsServer[]> = { main: [], admin: [] };
  const clients = clientConnections();

  function followed(
    what: string,
    config: Pick<ListenTlsConfig, 'cert' | 'key'>,
    ca: string | null,
    side: Side,
  ): FollowedTls {
    const files = { cert: config.cert, key: config.key, ca };
    const onChange = (options: SecureContextOptions): void => {
      for (const server of servers[side]) server.setSecureContext({ ...listenerTlsOptions, ...options });
      if (ca !== null) clients.trustOnly(String(options.ca));
    };
    const following = followTls({ files, what, onChange, onWarning: warn });
    if (following.options !== null) return following;
    following.close();
    throw refused(following.fault, `Mend what \`${what}\` of the configuration names.`);
  }

  const main = tls && followed('tls', tls, tls.clientCa, 'main');
  let admin: FollowedTls | null = null;
  try {
    admin = adminTls && followed('adminTls', adminTls, null, 'admin');
  } catch (error) {
    main?.close();
    throw error;
  }
  return {
    main: main && { ...listenerTlsOptions, ...main.options, ...asking(tls) },
    admin: admin && { ...listenerTlsOptions, ...admin.options },
    follow(side, server) {
      if ((side === 'admin' ? adminTls : tls) !== null) servers[side].push(server as unknown as TlsServer);
      if (side === 'main' && tls !== null && tls.clientCa !== null) clients.watch(server);
    },
    close() {
      main?.close();
      admin?.close();
    },
  };
}

/** A certificate that does not count is no reason to end the connection: whoever judges the request says what is wrong. */
function asking(tls: ListenTlsConfig | null): TlsOptions {
  return tls === null || tls.clientCa === null ? {} : { requestCert: true, rejectUnauthorized: false };
}
