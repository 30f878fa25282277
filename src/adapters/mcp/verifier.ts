import type { IncomingMessage, ServerResponse } from 'node:http';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection/protection.ts';
import { firstAnswer } from '../../core/maybe-promise.ts';
import { hasRules, type McpRules } from '../../core/mcp/rules.ts';
import type { AuthRequest } from '../../core/request.ts';
import { parseTarget } from '../../core/target.ts';
import { deny, type Verdict } from '../../core/verdict.ts';
import { messageOf } from '../../core/message-of.ts';
import { endWithCredential } from '../end-with-credential.ts';
import { authInfoOf, principalOf, type AnyAuthInfo, type AuthInfo } from './auth-info.ts';
import { oauthError, type ErrorClasses } from './oauth-error.ts';

/** Those of every adapter, and what the SDK does not tell a verifier. */
export type VerifierOptions = ProtectOptions & {
  /** The endpoint's path: its rules are the ones that count. '/mcp' unless said. */
  readonly path?: string;
  /** Reported as AuthInfo.resource: what `requireBearerAuth` is given as `expectedResource`. */
  readonly resource?: URL;
  /** For the SDK's first major version only: the whole module '@modelcontextprotocol/sdk/server/auth/errors.js'. */
  readonly errors?: ErrorClasses;
};

/** An OAuthTokenVerifier of both major versions of the SDK. */
export interface TokenVerifier {
  /** Rejects with an error that `requireBearerAuth` answers with 401, 403 or 500. */
  verifyAccessToken(token: string): Promise<AuthInfo>;
  /**
   * Middleware to stand behind `requireBearerAuth`: closes a stream that is open when its credential is revoked or expires,
   * within a second. The SDK asks once, when the stream is opened.
   */
  watch(req: IncomingMessage & { auth?: AnyAuthInfo }, res: ServerResponse, next: () => void): void;
  /** What it judges by: its guard, and the stack behind it. */
  readonly protection: Protection;
  /** Ends what it follows and closes the store. */
  close(): Promise<void>;
}

/**
 * API keys and session tokens behind `requireBearerAuth({ verifier })`. The SDK shows a verifier the token and nothing else of
 * the request, so the client's address is unknown here: a credential that is bound to addresses is refused, as is everyone on
 * a route that is. Where that is too little (x-api-key, signatures, report mode) there is `protect`.
 */
export async function tokenVerifier(options: VerifierOptions): Promise<TokenVerifier> {
  const { path = '/mcp', resource, errors } = options;
  // By any other path a token would be judged as if there were no rules.
  const parsed = parseTarget(path);
  if (!parsed.ok)
    throw new TypeError(
      `tokenVerifier: the path ${JSON.stringify(path)} cannot be judged (${parsed.note}); write '/mcp'`,
    );
  const shared = await protection(options, ['path', 'resource', 'errors']);
  const { guard, service, stack } = shared;
  complainOfRules(stack.service(service)?.mcp ?? null);

  /** Who gave them is told when the verifier is made, and of a file that has them by now when a token is judged. */
  function complainOfRules(rules: McpRules | null): void {
    if (rules !== null && hasRules(rules))
      shared.complain(
        `tokenVerifier: the rules for tools, resources or prompts of ${service} need the message, which a verifier never sees, so every token is refused where ${path} is enforced: guard the server with protect() of countersign/mcp`,
      );
  }

  async function judge(request: AuthRequest): Promise<Verdict> {
    const { verdict, outcome, route } = await guard.decide(request);
    complainOfRules(route.mcp);
    if (verdict !== null && (verdict.allowed || outcome === 'deny')) return verdict;
    // The route lets everybody pass (public, off, report), but whoever asks a verifier wants to know who it is: a token that
    // proves nobody is refused in every mode.
    const proven = await firstAnswer(stack.bearerSchemes, (scheme) => scheme.authenticate(request));
    if (proven?.allowed) return proven;
    // What cannot be told is no wrong token, in report neither.
    if (verdict?.reason === 'unavailable') return verdict;
    return proven ?? deny('invalid_credentials', 'the token is unknown here', { presentedAs: 'bearer' });
  }

  return {
    protection: shared,
    async verifyAccessToken(token) {
      const verdict = await judge(bearerRequest(service, path, token)).catch((error: unknown) =>
        deny('unavailable', `could not decide: ${messageOf(error)}`),
      );
      if (!verdict.allowed) throw oauthError(verdict, errors);
      return authInfoOf(verdict.principal, { now: stack.clock(), token, ...(resource && { resource }) });
    },
    watch(req, res, next) {
      const principal = principalOf(req.auth);
      if (principal) endWithCredential(principal, shared, req, res);
      next();
    },
    close: () => shared.close(),
  };
}

/** What can be said of a request of which only the token is known. */
function bearerRequest(service: string, path: string, token: string): AuthRequest {
  const authorization = [`Bearer ${token}`];
  return {
    method: 'POST',
    target: path,
    path,
    service,
    authority: '',
    protocol: 'http',
    remoteAddress: '',
    requestId: globalThis.crypto.randomUUID(),
    fields: (name) => (name === 'authorization' ? authorization : []),
    bodyPresence: 'unseen',
    body: () => Promise.reject(new Error('a token verifier sees no body')),
  };
}
