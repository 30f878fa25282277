import { REASONS } from '../../core/verdict.ts';
import type { AnyAuthInfo } from './auth-info.ts';

/**
 * Thrown for a caller who lacks a scope. Both SDKs show a tool's error to the model as a result with `isError`, and turn that
 * of a resource or a prompt into a JSON-RPC error with this code and data.
 */
export class ScopeError extends Error {
  /** JSON-RPC, of the range that is left to servers; neither the protocol nor the SDKs give it another meaning. */
  readonly code = -32003;
  readonly data: { readonly error: string; readonly reason: string; readonly required_scopes: readonly string[] };

  constructor(reason: 'missing_credentials' | 'insufficient_scope', message: string, required: readonly string[]) {
    super(message);
    this.name = 'ScopeError';
    this.data = { error: message, reason, required_scopes: required };
  }
}

/** Throws a ScopeError unless the caller has every one of the scopes. No AuthInfo, no scopes: also in modes off and report. */
export function requireScopes(authInfo: AnyAuthInfo | undefined, scopes: readonly string[], what = 'this'): void {
  if (scopes.length === 0) throw new TypeError('requireScopes: name at least one scope');
  if (authInfo && scopes.every((scope) => authInfo.scopes.includes(scope))) return;
  const needed = `${what} needs the scope${scopes.length > 1 ? 's' : ''} ${scopes.join(' ')}`;
  if (!authInfo) throw new ScopeError('missing_credentials', `${needed}, and this caller was not proven`, scopes);
  const has = authInfo.scopes.length > 0 ? `only ${authInfo.scopes.join(' ')}` : 'none';
  // A model reads this: it is told what would help, and that trying again would not.
  throw new ScopeError(
    'insufficient_scope',
    `${REASONS.insufficient_scope.words}: ${needed}, and ${authInfo.clientId} has ${has}. Trying again does not help; ask for a credential with more scopes.`,
    scopes,
  );
}

/** What a handler is given last: `extra` in v1, `ctx` in v2. */
interface HandlerContext {
  readonly authInfo?: AnyAuthInfo | undefined;
  readonly http?: { readonly authInfo?: AnyAuthInfo | undefined } | undefined;
}

/** A tool's result that tells the model what was missing. */
export type ToolRefusal = {
  isError: true;
  content: { type: 'text'; text: string }[];
};

/** The scopes of a server's tools. */
export interface ToolScopes<Tool extends string> {
  /** The handler, run only for callers with the tool's scopes. For `registerTool` of either major version. */
  guard<Args extends unknown[], Result>(
    tool: Tool,
    handler: (...args: Args) => Result | Promise<Result>,
  ): (...args: Args) => Promise<Result | ToolRefusal>;
}

/**
 * Which scopes each tool asks for, in one place: `toolScopes({ read_file: ['files:read'] })`. A tool that anyone may call
 * stands there with no scopes, so that none is forgotten.
 */
export function toolScopes<Tool extends string>(scopes: Readonly<Record<Tool, readonly string[]>>): ToolScopes<Tool> {
  return {
    guard(tool, handler) {
      if (!Object.hasOwn(scopes, tool)) throw new TypeError(`toolScopes: nothing is said of the tool "${tool}"`);
      const needed = scopes[tool];
      return async (...args) => {
        const context = args.at(-1) as HandlerContext | undefined;
        try {
          if (needed.length > 0)
            requireScopes(context?.http?.authInfo ?? context?.authInfo, needed, `the tool ${tool}`);
        } catch (error) {
          if (error instanceof ScopeError) return refused(error);
          throw error;
        }
        return handler(...args);
      };
    },
  };
}

function refused({ data }: ScopeError): ToolRefusal {
  return { isError: true, content: [{ type: 'text', text: JSON.stringify(data) }] };
}
