import type { Stack } from '../../compose/stack.ts';

/**
 * Session ids of an MCP server, bound to whoever opened the session: the client gets the id sealed, together with its principal,
 * and nothing has to be remembered, on whichever replica. A refreshed credential of the same principal keeps its session.
 */
export interface SessionBinding {
  /** What the client is given for the server's id. */
  bound(id: string): string;
  /** The server's id; null where the caller may not use the session. */
  opened(id: string): string | null;
}

export const sessionHeader = 'mcp-session-id';

/** Before what was sealed here, so that the master key, which may be a file, is not looked for on account of other ids. */
const mark = 'cs.';

interface Session {
  readonly owner: string;
  readonly id: string;
}

/** Under enforcement: nobody else's session is opened. Throws where nothing can be sealed. */
export function sessionBinding(seal: Stack['seal'], service: string, principal: string): SessionBinding {
  return {
    bound: (id) => mark + seal.seal(JSON.stringify([principal, id]), contextOf(service)),
    opened(id) {
      const session = sessionIn(id, seal, service);
      return session?.owner === principal ? session.id : null;
    },
  };
}

/**
 * Of one exchange where nothing is refused: a session goes on whoever asks, and is known to the client as it was. One that a proven
 * caller begins is sealed here too, so that it outlasts the beginning of enforcement; of one that was begun before, nobody knows
 * whose it is. `principal`: null where nobody is proven.
 */
export function openBinding(seal: Stack['seal'], service: string, principal: string | null): SessionBinding {
  let asked: { readonly given: string; readonly id: string } | null = null;
  return {
    bound(id) {
      if (asked !== null) return asked.id === id ? asked.given : id;
      if (principal === null) return id;
      try {
        return sessionBinding(seal, service, principal).bound(id);
      } catch {
        return id;
      }
    },
    opened(given) {
      asked = { given, id: sessionIn(given, seal, service)?.id ?? given };
      return asked.id;
    },
  };
}

/** Null for what was not sealed here. */
function sessionIn(given: string, seal: Stack['seal'], service: string): Session | null {
  if (!given.startsWith(mark)) return null;
  try {
    const [owner, id] = JSON.parse(seal.open(given.slice(mark.length), contextOf(service))) as [string, string];
    return { owner, id };
  } catch {
    return null;
  }
}

function contextOf(service: string) {
  return { id: '', service, kind: sessionHeader };
}
