import type { Actor } from '../core/event.ts';
import type { Caller } from './caller.ts';
import type { Exchange } from './exchange.ts';

/** Who acts by this request, for the audit. */
export function actorOf({ request }: Exchange, { principal }: Caller): Actor {
  return { id: principal.id, via: 'http', from: request.remoteAddress };
}
