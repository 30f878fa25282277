import { isObject, type JsonObject } from '../../core/json/object.ts';
import { readMcpMessages } from '../../core/mcp/messages.ts';
import { hasName, hasRules, nameIn, objectionTo, type McpRules } from '../../core/mcp/rules.ts';
import type { Policy } from '../../core/policy.ts';
import type { AuthRequest } from '../../core/request.ts';
import { denyPrincipal, type Denied, type Principal } from '../../core/verdict.ts';

/** What a caller may ask of an MCP server: tools, resources and prompts. Every message of a batch is judged. */
export function toolsPolicy(): Policy {
  return {
    name: 'tools',
    check(principal, request, { mcp }) {
      if (mcp === null) return null;
      const fault = formFault(request, hasRules(mcp));
      if (fault !== null) return denyPrincipal(principal, fault.reason, fault.note);
      if (request.bodyPresence === 'none') return null;
      if (request.bodyPresence === 'unseen')
        return hasRules(mcp) && canCarryMessages(request.method)
          ? denyPrincipal(
              principal,
              'tool_not_allowed',
              'rules for tools need the body, which neither forward auth nor a token verifier sees: let the gateway, or protect of countersign/mcp, stand before this service',
            )
          : null;
      return judged(principal, request, mcp);
    },
  };
}

/** The same of a WebSocket that is open when rules come about: within it nothing was judged, nor is. */
export function openSocketsPolicy(): Policy {
  return {
    name: 'tools',
    check(principal, request, { mcp }) {
      const fault = mcp !== null && hasRules(mcp) ? switchFault(request) : null;
      return fault === null ? null : denyPrincipal(principal, fault.reason, fault.note);
    },
  };
}

async function judged(principal: Principal, request: AuthRequest, rules: McpRules): Promise<Denied | null> {
  const read = readMcpMessages(await request.body(undefined, principal.id));
  if (!read.ok) return denyPrincipal(principal, 'bad_request', read.note);
  const mismatch = headerFault(request, read.messages);
  if (mismatch !== null) {
    const [only, ...more] = read.messages;
    const messageId = more.length === 0 ? idOf(only) : null;
    return denyPrincipal(principal, 'header_mismatch', mismatch, { messageId });
  }
  for (const message of read.messages) {
    const objection = objectionTo(message, principal, rules);
    if (objection === null) continue;
    const { reason, note, requiredScopes } = objection;
    return denyPrincipal(principal, reason, note, { requiredScopes });
  }
  return null;
}

interface FormFault {
  readonly reason: 'bad_request' | 'not_allowed';
  readonly note: string;
}

/**
 * A media type with at most one parameter, which says UTF-8. Of two charsets readers take different ones, some find one within a
 * quoted string, and UTF-7 is ASCII that says something else.
 */
const utf8Type = /^[^;,"\s]*(?:[ \t]*;[ \t]*charset=(?:utf-?8|"utf-?8"))?[ \t]*;?$/i;

/** Proxies that ask for a verdict leave Upgrade out, which belongs to one connection; a handshake has this as well (RFC 6455 §4.1). */
function maySwitch(request: AuthRequest): boolean {
  return ['upgrade', 'sec-websocket-key'].some((name) => request.fields(name).length > 0);
}

function switchFault(request: AuthRequest): FormFault | null {
  return (request.upgrades ?? maySwitch(request))
    ? { reason: 'not_allowed', note: 'messages within a WebSocket cannot be judged' }
    : null;
}

/** What would bring messages past this policy. */
function formFault(request: AuthRequest, isRuled: boolean): FormFault | null {
  const switching = isRuled ? switchFault(request) : null;
  if (switching !== null) return switching;
  if (request.fields('content-encoding').some((coding) => coding.trim().toLowerCase() !== 'identity'))
    return { reason: 'bad_request', note: 'a compressed body cannot be judged' };
  const types = request.fields('content-type');
  if (types.length > 1 || !types.every((type) => utf8Type.test(type)))
    return { reason: 'bad_request', note: 'JSON is exchanged in UTF-8 (RFC 8259 §8.1)' };
  return null;
}

/**
 * From 2026-07-28 on a message's method and name stand in headers too, for those who look no further. What they say is not
 * believed; but a message that says one thing there and another in its body is meant to deceive somebody.
 */
function headerFault(request: AuthRequest, [message, ...more]: readonly JsonObject[]): string | null {
  const [method, ...methods] = request.fields('mcp-method');
  const [name, ...names] = request.fields('mcp-name');
  const [version, ...versions] = request.fields('mcp-protocol-version');
  if (versions.length > 0) return 'MCP-Protocol-Version stands once';
  for (const each of message === undefined ? [] : [message, ...more]) {
    const stated = versionIn(each);
    if (version !== undefined && stated !== undefined && stated !== version)
      return 'MCP-Protocol-Version is not the version of the message';
  }
  if (method === undefined && name === undefined) return null;
  if (more.length > 0 || methods.length > 0 || names.length > 0)
    return 'Mcp-Method and Mcp-Name stand once each, beside one message';
  if (method !== undefined && method !== message?.['method']) return 'Mcp-Method is not the method of the message';
  if (name !== undefined && message !== undefined && hasName(message) && decodedName(name) !== nameIn(message))
    return 'Mcp-Name is not what the message names';
  return null;
}

/** Since 2026-07-28 each message says in which version it is written. */
function versionIn({ params }: JsonObject): unknown {
  const meta = isObject(params) ? params['_meta'] : undefined;
  return isObject(meta) ? meta['io.modelcontextprotocol/protocolVersion'] : undefined;
}

const messageIdMax = 256;

/** What is not of the protocol's types or sizes is not said back. */
function idOf(message: JsonObject | undefined): string | number | null {
  const id = message?.['id'];
  return typeof id === 'number' || (typeof id === 'string' && id.length <= messageIdMax) ? id : null;
}

/** A name that no header can hold is written =?base64?…?=. */
function decodedName(value: string): string {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value)?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, 'base64').toString('utf8');
}

function canCarryMessages(method: string): boolean {
  return !['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method);
}
