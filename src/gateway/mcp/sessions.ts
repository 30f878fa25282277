import type { Stack } from '../../compose/stack.ts';

/**
 * Session ids of an MCP server, bound to whoever opened the session. The client gets the id sealed for its principal; nobody
 * else's opens it, on whichever replica, and nothing has to be remembered. A refreshed credential of the same principal
 * keeps its session.
 */
export interface SessionBinding {
  /** What the client is given for the server's id. */
  bound(id: string, principal: string): string;
  /** The server's id; null where this principal did not open the session. */
  opened(id: string, principal: string): string | null;
}

export const sessionHeader = 'mcp-session-id';

export function sessionBinding(seal: Stack['seal'], service: string): SessionBinding {
  const contextOf = (principal: string) => ({ id: principal, service, kind: sessionHeader });
  return {
    bound: (id, principal) => seal.seal(id, contextOf(principal)),
    opened(id, principal) {
      try {
        return seal.open(id, contextOf(principal));
      } catch {
        return null;
      }
    },
  };
}
