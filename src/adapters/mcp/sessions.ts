import { isUnenforced, type AnyAuthInfo } from './auth-info.ts';

/** Sessions of the stateful protocol (until 2025-11-25), each found by its own principal only. */
export interface Sessions<Session> {
  /** `authInfo`: of the request that began it; undefined where that was not judged. */
  keep(id: string, session: Session, authInfo: AnyAuthInfo | undefined): void;
  /** Null for an unknown session and for another principal's: answer both with sessionNotFound, so that neither is told apart. */
  find(id: string | readonly string[] | undefined, authInfo: AnyAuthInfo | undefined): Session | null;
  /** Once it has ended; an unknown one is no fault. */
  drop(id: string): void;
}

/** The SDK's own answer to a stale session; a client of the protocol then begins a new one. */
export const sessionNotFound = Object.freeze({
  status: 404,
  body: Object.freeze({
    jsonrpc: '2.0',
    error: Object.freeze({ code: -32001, message: 'Session not found' }),
    id: null,
  }),
});

/**
 * Neither major version of the SDK binds a session to who began it: whoever learns its id could speak in it with a credential
 * of their own. Bound to the principal and not to the token, which changes when it is renewed.
 */
export function principalSessions<Session>(): Sessions<Session> {
  interface Held {
    readonly session: Session;
    readonly owner: string | null;
    /** Begun in report mode: who would be refused there comes without AuthInfo, and is refused nothing. */
    readonly isOpen: boolean;
  }
  const held = new Map<string, Held>();

  function mayUse({ owner, isOpen }: Held, authInfo: AnyAuthInfo | undefined): boolean {
    if (owner === (authInfo?.clientId ?? null)) return true;
    return authInfo ? isUnenforced(authInfo) : isOpen;
  }

  return {
    keep(id, session, authInfo) {
      held.set(id, {
        session,
        owner: authInfo?.clientId ?? null,
        isOpen: authInfo !== undefined && isUnenforced(authInfo),
      });
    },
    find(id, authInfo) {
      const found = typeof id === 'string' ? held.get(id) : undefined;
      return found && mayUse(found, authInfo) ? found.session : null;
    },
    drop: (id) => void held.delete(id),
  };
}
