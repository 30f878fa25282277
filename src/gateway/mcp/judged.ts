import type { Stack } from '../../compose/stack.ts';
import type { Decision } from '../../core/decision.ts';
import { forgetMcpMessages, readMcpMessages } from '../../core/mcp/messages.ts';
import type { McpRules } from '../../core/mcp/rules.ts';
import type { Principal } from '../../core/verdict.ts';
import { endpointOf, upstreamTarget, type Asked, type Endpoint } from './endpoint.ts';
import { openBinding, sessionBinding, sessionHeader, type SessionBinding } from './sessions.ts';

/** Of one exchange with an MCP server. */
export interface RulesInForce {
  /** False in report and off: everything passes, and only sessions are looked after, so that they outlast a change of mode. */
  readonly enforced: boolean;
  readonly sessions: SessionBinding;
  /** Null only where nothing is enforced. */
  readonly principal: Principal | null;
  readonly rules: McpRules;
  /** Of a stream that may say where messages are to be posted; null where none can be asked for. */
  readonly endpoint: Endpoint | null;
}

const noRules: McpRules = { tools: null, resources: null, prompts: null };

/** Null where nothing is said of an MCP server, or nobody is asked who it is: then everything passes as it is. */
export function rulesInForce(
  { mode, verdict, route }: Decision,
  seal: Stack['seal'],
  asked: Asked,
): RulesInForce | null {
  if (route.mcp === null) return null;
  const principal = verdict?.allowed ? verdict.principal : null;
  const { name } = asked.service;
  if (mode !== 'enforce') {
    const sessions = openBinding(seal, name, principal?.id ?? null);
    return { enforced: false, principal, rules: noRules, sessions, endpoint: null };
  }
  if (principal === null) return null;
  return {
    enforced: true,
    principal,
    rules: route.mcp,
    sessions: sessionBinding(seal, name, principal.id),
    endpoint: endpointOf(asked),
  };
}

/** What is passed on of a held body: what was judged, in its one spelling. */
export function judgedBody(held: Buffer | null, inForce: RulesInForce | null): Buffer | null {
  if (held === null || !inForce?.enforced) return held;
  const read = readMcpMessages(held);
  forgetMcpMessages(held);
  return read.ok ? (read.rewritten ?? held) : held;
}

/** What would bring an answer that cannot be looked into, and what speaks of the body as it came and not as it goes. */
const dropped = /^(?:accept-encoding|range|if-range|content-digest|digest)$/i;

/**
 * Asks for an answer that can be looked into: whole and not compressed. Null where the session is not the caller's.
 */
export function judgedHead(
  lines: string[],
  target: string,
  inForce: RulesInForce | null,
): { readonly lines: string[]; readonly target: string } | null {
  if (inForce === null) return { lines, target };
  // What nobody decodes is no session of anybody, and refused as that where anything is.
  const sentTo = upstreamTarget(target, inForce.sessions) ?? (inForce.enforced ? null : target);
  const own = { lines: ownLines(lines, inForce), target: sentTo };
  return own.lines === null || own.target === null ? null : { lines: own.lines, target: own.target };
}

function ownLines(lines: readonly string[], { enforced, sessions }: RulesInForce): string[] | null {
  const kept: string[] = [];
  for (let index = 0; index < lines.length; index += 2) {
    const [name = '', value = ''] = lines.slice(index, index + 2);
    if (enforced && dropped.test(name)) continue;
    const own = name.toLowerCase() === sessionHeader ? sessions.opened(value) : value;
    if (own === null) return null;
    kept.push(name, own);
  }
  return enforced ? [...kept, 'accept-encoding', 'identity'] : kept;
}

/** The name that belongs to an element of a flat list of names and values. */
export function nameAt(lines: readonly string[], index: number): string {
  return lines[index - (index % 2)] as string;
}
