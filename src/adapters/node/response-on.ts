import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The response under way on this socket, to a request that came before what is looked at. Null when there is none. */
export function responseOn(socket: Duplex): Pick<ServerResponse, 'headersSent' | 'shouldKeepAlive'> | null {
  // oxlint-disable-next-line no-underscore-dangle -- its name in node:http, which has no public one
  return '_httpMessage' in socket ? ((socket._httpMessage as ServerResponse | null | undefined) ?? null) : null;
}
