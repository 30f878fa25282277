import { fits } from '../glob.ts';
import { isObject, type JsonObject } from '../json/object.ts';
import { folded, isNearlyWord, isWrittenAsName } from './messages.ts';
import { decoded, isAmbiguousUri, looseUri, readingsOf } from './resource-uri.ts';
import type { Principal, Reason } from '../verdict.ts';

/** What a caller may name of one kind. Globs, in which '*' stands for any characters. */
export interface McpRule {
  /** Whole principal ids; null for every caller. The first rule that is for a caller counts, and no other. */
  readonly callers: ReadonlySet<string> | null;
  /** Null: everything that is not denied. */
  readonly allow: readonly string[] | null;
  /** Beats `allow`. */
  readonly deny: readonly string[];
  /** What is named so asks for these scopes; of several globs that fit, for all of theirs. */
  readonly scopes: readonly { readonly glob: string; readonly scopes: readonly string[] }[];
}

export type McpKind = 'tools' | 'resources' | 'prompts';
export const MCP_KINDS: readonly McpKind[] = ['tools', 'resources', 'prompts'];

/** Rules of one MCP server, in the order of the file. A kind without rules is open to whoever may call the server. */
export type McpRules = { readonly [Kind in McpKind]: readonly McpRule[] | null };

/** Whether anything is forbidden at all: of a server without rules only the sessions are looked after. */
export function hasRules(rules: McpRules): boolean {
  return MCP_KINDS.some((kind) => rules[kind] !== null);
}

export interface McpObjection {
  readonly reason: Extract<Reason, 'tool_not_allowed' | 'insufficient_scope' | 'bad_request'>;
  readonly note: string;
  readonly requiredScopes: readonly string[];
}

interface Named {
  readonly kind: McpKind;
  /** Null where the message does not name what it must. */
  readonly name: string | null;
}

const methods: ReadonlyMap<string, { readonly kind: McpKind; readonly member: 'name' | 'uri' }> = new Map([
  ['tools/call', { kind: 'tools', member: 'name' }],
  ['resources/read', { kind: 'resources', member: 'uri' }],
  ['resources/subscribe', { kind: 'resources', member: 'uri' }],
  ['resources/unsubscribe', { kind: 'resources', member: 'uri' }],
  ['prompts/get', { kind: 'prompts', member: 'name' }],
]);
const judgedMethods: ReadonlySet<string> = new Set([...methods.keys(), 'completion/complete', 'subscriptions/listen']);

const subscribing: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe']);

/** The first objection to what a message asks for; null for none. */
export function objectionTo(message: JsonObject, principal: Principal, rules: McpRules): McpObjection | null {
  const { method, params } = message;
  if (typeof method !== 'string') return null;
  if (!judgedMethods.has(method)) {
    const bare = method.trim();
    // A server that reads it with less care would do what nobody has judged.
    return isNearlyWord(bare) && judgedMethods.has(folded(bare).trim())
      ? objection('bad_request', `the method ${JSON.stringify(method)} is nearly one that is judged`)
      : null;
  }
  // Servers of 2026-07-28 know neither method and say so; about nothing, no server can tell anything.
  if (subscribing.has(method) && isObject(params) && !('uri' in params)) return null;
  for (const { kind, name } of namedBy(method, isObject(params) ? params : {})) {
    if (rules[kind] === null) continue;
    if (name === null) return objection('bad_request', `${method} does not say which`);
    const found = objectionToName(kind, name, principal, rules);
    if (found !== null) return found;
  }
  return null;
}

/** Whether the caller may see it in a list. What asks for a scope is shown, so that it can be asked for. */
export function isListed(kind: McpKind, name: string, principal: Principal, rules: McpRules): boolean {
  return objectionToName(kind, name, principal, rules)?.reason !== 'tool_not_allowed';
}

function objectionToName(kind: McpKind, name: string, principal: Principal, rules: McpRules): McpObjection | null {
  const ofKind = rules[kind];
  if (ofKind === null) return null;
  const shown = `${kind.slice(0, -1)} ${JSON.stringify(name.slice(0, 128))}`;
  const rule = ofKind.find(({ callers }) => callers === null || callers.has(principal.id));
  if (!rule) return objection('tool_not_allowed', `no rule lets ${principal.id} use ${kind}`);
  if (!isWrittenAsName(kind === 'resources' ? decoded(name) : name))
    return objection('tool_not_allowed', `the ${shown} is longer, or has more marks in a row, than any name`);
  if (kind === 'resources' && isAmbiguousUri(name) && (rule.allow !== null || rule.deny.length > 0))
    return objection('tool_not_allowed', `the ${shown} can be read in two ways`);
  const fitsLoosely = kind === 'resources' ? uriFitsLoosely(name) : nameFitsLoosely(name);
  if (rule.deny.some(fitsLoosely)) return objection('tool_not_allowed', `the ${shown} is denied to ${principal.id}`);
  if (rule.allow !== null && !rule.allow.some((glob) => fits(glob, name)))
    return objection('tool_not_allowed', `the ${shown} is not among those that ${principal.id} may use`);
  const needed = rule.scopes.filter(({ glob }) => fitsLoosely(glob)).flatMap(({ scopes }) => scopes);
  if (needed.every((scope) => principal.scopes.includes(scope))) return null;
  return objection('insufficient_scope', `the ${shown} needs ${needed.join(' ')}`, [...new Set(needed)]);
}

/** Whether messages of this method name something that rules are about. Extensions have names of their own. */
export function hasName({ method }: JsonObject): boolean {
  return typeof method === 'string' && methods.has(method);
}

/** What a message names: of a tool or prompt the name, of a resource the URI; null where that is nothing. */
export function nameIn({ method, params }: JsonObject): string | null {
  const member = typeof method === 'string' ? methods.get(method)?.member : undefined;
  return member !== undefined && isObject(params) ? text(params[member]) : null;
}

function namedBy(method: string, params: JsonObject): Named[] {
  const plain = methods.get(method);
  if (plain) return [{ kind: plain.kind, name: text(params[plain.member]) }];
  if (method === 'completion/complete') {
    const ref = isObject(params['ref']) ? params['ref'] : {};
    if (ref['type'] === 'ref/prompt') return [{ kind: 'prompts', name: text(ref['name']) }];
    if (ref['type'] === 'ref/resource') return [{ kind: 'resources', name: text(ref['uri']) }];
    return [
      { kind: 'prompts', name: null },
      { kind: 'resources', name: null },
    ];
  }
  const wanted = isObject(params['notifications']) ? params['notifications'] : {};
  const uris = wanted['resourceSubscriptions'];
  if (uris === undefined) return [];
  return Array.isArray(uris)
    ? uris.map((uri) => ({ kind: 'resources', name: text(uri) }))
    : [{ kind: 'resources', name: null }];
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** As strict as can be read: a server may take letters for one another that we tell apart. */
function nameFitsLoosely(name: string): (glob: string) => boolean {
  const low = folded(name);
  return (glob) => fits(glob, name) || fits(folded(glob), low);
}

/** Likewise, and more of a URI than letters is the same in two spellings. */
function uriFitsLoosely(uri: string): (glob: string) => boolean {
  const readings = readingsOf(uri);
  return (glob) => fits(glob, uri) || readings.some((reading) => fits(looseUri(glob), reading));
}

function objection(reason: McpObjection['reason'], note: string, requiredScopes: readonly string[] = []): McpObjection {
  return { reason, note, requiredScopes };
}
