import type { Act } from '../../core/event.ts';
import type { Exchange } from '../exchange.ts';
import type { LoggedIn } from './logged-in.ts';

/** What a client says of itself, of which strangers can make as much as they like. */
export interface Described {
  readonly clientId: string;
  readonly clientName?: string | undefined;
  readonly redirectUris?: readonly string[] | undefined;
}

interface Asked {
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
}

const nameMax = 128;
const urisMax = 10;
const uriMax = 512;

export function loggedInAct({ operator, issuer }: LoggedIn, clientId: string): Act {
  const detail = { at: 'oauth', client: clientId, ...(issuer !== undefined && { issuer }) };
  return { type: 'operator.logged_in', subject: operator, detail };
}

export function grantedAct(client: Described, asked: Asked): Act {
  return { type: 'oauth.granted', subject: client.clientId, detail: { name: nameOf(client), ...asked } };
}

export function refusedAct(client: Described, asked: Asked): Act {
  return { type: 'oauth.refused', subject: client.clientId, detail: { name: nameOf(client), ...asked } };
}

export function registeredAct(client: Described): Act {
  const uris = (client.redirectUris ?? []).slice(0, urisMax).map((uri) => uri.slice(0, uriMax));
  return {
    type: 'oauth.client.registered',
    subject: client.clientId,
    detail: { name: nameOf(client), redirect_uris: uris },
  };
}

export async function recordBy(operator: string, act: Act, { stack, request }: Exchange): Promise<void> {
  await stack.trail.record(act, { id: `operator:${operator}`, via: 'http', from: request.remoteAddress });
}

function nameOf({ clientName }: Described): string | null {
  return clientName?.slice(0, nameMax) ?? null;
}
