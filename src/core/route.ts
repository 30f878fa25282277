import type { AddressList } from './address.ts';
import type { McpRules } from './mcp/rules.ts';
import type { Mode } from './mode.ts';

/** public: nobody is asked. any: any proven caller. service: a service only. operator: an operator only. */
export type Access = 'public' | 'any' | 'service' | 'operator';

export const ACCESS: readonly Access[] = ['public', 'any', 'service', 'operator'];

export interface RateLimit {
  readonly limit: number;
  readonly windowSeconds: number;
  readonly by: 'caller' | 'address';
}

/** A rule as it is written in the configuration, for one service. */
export interface RouteRule {
  /** Exact ('/embed'), with a parameter segment ('/models/:name'), or with all below it ('/internal/*'). */
  readonly path: string;
  /** Upper case; null for all methods. */
  readonly methods: readonly string[] | null;
  readonly access: Access;
  /** Bare names are services ('aidb'); with a colon, whole principal ids ('token:<uuid>'). Null: no rule on callers. */
  readonly callers: readonly string[] | null;
  /** The caller needs all of them. */
  readonly scopes: readonly string[];
  /** From where it may be called; null for anywhere. */
  readonly addresses: AddressList | null;
  /** Null: none. */
  readonly rateLimit: RateLimit | null;
  /** The mode that the file gives this route; null when it gives none. */
  readonly mode: Mode | null;
  /** How old what is known may be while the store is away, seconds; 0: not at all. Null: as the service has it. */
  readonly staleSecondsMax: number | null;
}

/** What a path asks for, as found by the route table. */
export interface Route extends RouteRule {
  readonly service: string;
  /** The rule's path, or '*' where no rule matched: low in number, for logs, metrics and modes. */
  readonly label: string;
  /** False when the path has rules but none for this method: no proven caller may pass. */
  readonly methodAllowed: boolean;
  /** What callers may ask of an MCP server; null where that is not looked at. */
  readonly mcp: McpRules | null;
  /** Pages from which a browser may call, as Origin has them; null: any. */
  readonly origins: readonly string[] | null;
}

/** Whether nobody is asked who it is. */
export function isPublic({ access, methodAllowed }: Route): boolean {
  return access === 'public' && methodAllowed;
}

/** Whether access is open to this kind of proven caller; `id`: of the principal. */
export function accessAllows(access: Access, id: string): boolean {
  switch (access) {
    case 'public':
    case 'any':
      return true;
    case 'service':
      return id.startsWith('service:') || isShared(id);
    case 'operator':
      return id.startsWith('operator:');
  }
}

/** A shared key is held by every caller of its service: it cannot say which of them is asking, so it satisfies no `callers`. */
export function isShared(id: string): boolean {
  return id.startsWith('holder:');
}

/** Of a caller as it is written in a rule: 'aidb' means service:aidb; what holds a colon is a whole principal id. */
export function callerId(name: string): string {
  return name.includes(':') ? name : `service:${name}`;
}
