import { seldom } from '../../audit/seldom.ts';
import type { Stack } from '../../compose/stack.ts';
import { registeredAct, type Described } from './events.ts';

/** Takes down which clients register themselves. */
export interface Registrations {
  happened(client: Described, from: string): Promise<void>;
  /** Tells what has not been told yet. */
  close(): void;
}

interface Untold {
  readonly clients: number;
  readonly last: string;
  readonly from: string;
}

/** Each by itself, up to so many in an hour: strangers register as many as they like, and must not push older events out. */
const toldOneByOne = { limit: 20, windowSeconds: 3600 };

export function registrations({ trail, store, clock }: Pick<Stack, 'trail' | 'store' | 'clock'>): Registrations {
  const others = seldom(
    ({ clients, last, from }: Untold) =>
      void trail.record(
        { type: 'oauth.client.registered', subject: '', detail: { clients, last } },
        { id: `client:${last}`, via: 'http', from },
      ),
    (before, now) => ({ ...now, clients: before.clients + now.clients }),
  );
  return {
    async happened(client, from) {
      const { clientId } = client;
      const { limit, windowSeconds } = toldOneByOne;
      const room = await store.limits.take('oauth-register-told', limit, windowSeconds, clock()).catch(() => null);
      if (room?.allowed === false) others.happened('', { clients: 1, last: clientId, from });
      else await trail.record(registeredAct(client), { id: `client:${clientId}`, via: 'http', from });
    },
    close: () => others.close(),
  };
}
