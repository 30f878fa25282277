/** `countersign/mcp`: an MCP server that knows its callers, with either major version of the official SDK. */
export type { Protection, ProtectOptions } from '../../compose/protection/protection.ts';
export type { Principal } from '../../core/verdict.ts';
export {
  authInfoOf,
  principalOf,
  type AnyAuthInfo,
  type AuthInfo,
  type AuthInfoOptions,
  type SdkAuthInfo,
} from './auth-info.ts';
export type { ErrorClasses } from './oauth-error.ts';
export { mcpGuard, protect, type McpGuard, type McpOptions, type McpRequest } from './protect.ts';
export { principalSessions, sessionNotFound, type Sessions } from './sessions.ts';
export { requireScopes, ScopeError, toolScopes, type ToolRefusal, type ToolScopes } from './tool-scopes.ts';
export { tokenVerifier, type TokenVerifier, type VerifierOptions } from './verifier.ts';
