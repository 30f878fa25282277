import { REASONS, type Denied, type Reason, type ReasonRow } from './verdict.ts';

/** What goes on the wire: the same bytes from the gateway, forward auth and every adapter. */
export interface Refusal {
  readonly status: number;
  /** Lower-case names; content-length included. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
}

/** The public words of a denial (the table of docs/reasons.md). */
export function publicWords(denied: Denied): string {
  const row: ReasonRow = REASONS[denied.reason];
  return (denied.presentedAs && row.wordsFor?.[denied.presentedAs]) ?? row.words;
}

/**
 * `challenges` are the WWW-Authenticate values of the schemes that the service accepts; they go out with 401 and 403 only
 * (RFC 9110 §15.5.2).
 */
export function refusalOf(
  denied: Denied,
  challenges: readonly string[],
  further: Readonly<Record<string, string>> = {},
): Refusal {
  const { status } = REASONS[denied.reason];
  const error = publicWords(denied);
  const said = { reason: denied.reason satisfies Reason, authenticated: isAuthenticated(denied, status) };
  const body = JSON.stringify(denied.reason === 'header_mismatch' ? rpcError(denied, error, said) : { error, ...said });
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
  };
  if ((status === 401 || status === 403) && challenges.length > 0) headers['www-authenticate'] = challenges.join(', ');
  Object.assign(headers, further);
  if (denied.retryAfter !== null) headers['retry-after'] = String(Math.max(1, Math.ceil(denied.retryAfter)));
  return { status, headers, body };
}

/** As MCP wants it said from revision 2026-07-28 on: clients tell by the code that it is not about the protocol's version. */
function rpcError({ messageId }: Denied, message: string, data: object): object {
  return { jsonrpc: '2.0', id: messageId, error: { code: -32020, message, data } };
}

/**
 * Known but not allowed: a caller of an expired or replayed credential is known to us, yet not authenticated, and a 403 that
 * nobody was asked for (a peer that is no trusted proxy) knows no caller.
 */
function isAuthenticated(denied: Denied, status: number): boolean {
  return status !== 401 && denied.caller?.proven === true;
}
