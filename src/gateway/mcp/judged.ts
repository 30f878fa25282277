import type { Stack } from '../../compose/stack.ts';
import type { Decision } from '../../core/decision.ts';
import { readMcpMessages } from '../../core/mcp-messages.ts';
import type { McpRules } from '../../core/mcp-rules.ts';
import type { Principal } from '../../core/verdict.ts';
import { endpointOf, upstreamTarget, type Asked, type Endpoint, type Holder } from './endpoint.ts';
import { sessionBinding, sessionHeader, type SessionBinding } from './sessions.ts';

/** Of one exchange with an MCP server. */
export interface RulesInForce {
  readonly sessions: SessionBinding;
  readonly principal: Principal;
  readonly rules: McpRules;
  /** Of a stream that may say where messages are to be posted; null where none can be asked for. */
  readonly endpoint: Endpoint | null;
}

/** Null where nothing is refused, or nothing is said of an MCP server: then its answers pass as they are. */
export function rulesInForce(
  { mode, verdict, route }: Decision,
  seal: Stack['seal'],
  asked: Asked,
): RulesInForce | null {
  if (route.mcp === null || mode !== 'enforce' || verdict?.allowed !== true) return null;
  return {
    principal: verdict.principal,
    rules: route.mcp,
    sessions: sessionBinding(seal, asked.service.name),
    endpoint: endpointOf(asked),
  };
}

/**
 * Whose sessions may have been sealed while the service was enforced: they go on when that is taken back. Null where nobody is
 * proven, or nothing is asked at all.
 */
export function formerHolder(
  { mode, verdict, route }: Decision,
  seal: Stack['seal'],
  { service }: Asked,
): Holder | null {
  if (route.mcp === null || mode !== 'report' || verdict === null) return null;
  const known = verdict.allowed ? verdict.principal : verdict.caller?.proven ? verdict.caller : null;
  return known === null ? null : { principal: known, sessions: sessionBinding(seal, service.name) };
}

/** What is passed on of a held body: what was judged, in its one spelling. */
export function judgedBody(held: Buffer | null, inForce: RulesInForce | null): Buffer | null {
  if (held === null || inForce === null) return held;
  const read = readMcpMessages(held);
  return read.ok ? Buffer.from(read.text) : held;
}

/** What would bring an answer that cannot be looked into, and what speaks of the body as it came and not as it goes. */
const dropped = /^(?:accept-encoding|range|if-range|content-digest|digest)$/i;

/**
 * Asks for an answer that can be looked into: whole and not compressed. Null where the session is not the caller's. In report mode
 * all passes as it is but for a session that the caller had.
 */
export function judgedHead(
  lines: string[],
  target: string,
  inForce: RulesInForce | Holder | null,
): { readonly lines: string[]; readonly target: string } | null {
  if (inForce === null) return { lines, target };
  if (!('rules' in inForce))
    return { lines: formerLines(lines, inForce), target: upstreamTarget(target, inForce) ?? target };
  const own = { lines: ownLines(lines, inForce), target: upstreamTarget(target, inForce) };
  return own.lines === null || own.target === null ? null : { lines: own.lines, target: own.target };
}

function formerLines(lines: readonly string[], { principal, sessions }: Holder): string[] {
  return lines.map((text, index) => {
    const isSession = index % 2 === 1 && nameAt(lines, index).toLowerCase() === sessionHeader;
    return isSession ? (sessions.opened(text, principal.id) ?? text) : text;
  });
}

function ownLines(lines: readonly string[], { principal, sessions }: RulesInForce): string[] | null {
  const kept: string[] = [];
  for (let index = 0; index < lines.length; index += 2) {
    const [name = '', value = ''] = lines.slice(index, index + 2);
    if (dropped.test(name)) continue;
    const own = name.toLowerCase() === sessionHeader ? sessions.opened(value, principal.id) : value;
    if (own === null) return null;
    kept.push(name, own);
  }
  return [...kept, 'accept-encoding', 'identity'];
}

/** The name that belongs to an element of a flat list of names and values. */
export function nameAt(lines: readonly string[], index: number): string {
  return lines[index - (index % 2)] as string;
}
