import type { Reason } from '../../core/verdict.ts';
import { askCoordinator, askEmbeddings, askHealth, signedHeaders, type Answer } from './answers.ts';
import { caller, type Credentials } from './credentials.ts';
import { askMcp } from './mcp-answer.ts';
import { askBrowser } from './websocket-answer.ts';

/** One line of the table. */
export interface Call {
  readonly what: string;
  /** In mode report, in which everything passes. */
  readonly inReport: Answer;
  readonly inEnforce: Answer;
  /** Where and why enforce refuses it; null for what passes. */
  readonly refusal: { readonly service: string; readonly reason: Reason } | null;
  readonly make: () => Promise<Answer>;
}

export interface Group {
  readonly title: string;
  readonly calls: readonly Call[];
}

/** Behind the status: whom the service was told is calling, in X-Auth-Principal. */
const unproven = '200, caller unproven';
const proven = `200, service:${caller}`;

export function groups(gateway: string, held: Credentials): Group[] {
  const embed = (what: string, headers: Record<string, string>, words: Answer, reason: Reason): Call => ({
    what,
    inReport: unproven,
    inEnforce: words,
    refusal: { service: 'embeddings', reason },
    make: () => askEmbeddings(gateway, headers),
  });
  const right = (what: string, headers: () => Readonly<Record<string, string>>): Call => ({
    what,
    inReport: proven,
    inEnforce: proven,
    refusal: null,
    make: () => askEmbeddings(gateway, headers()),
  });
  const signed = (what: string, options: object, words: Answer, reason: Reason): Call => ({
    ...embed(what, {}, words, reason),
    make: () => askEmbeddings(gateway, signedHeaders({ secret: held.hmac.key, ...options })),
  });
  const token = '401 Invalid or expired token';
  const apiKey = '401 Invalid API key';
  return [
    {
      title: 'API keys: POST /embeddings/embed, where the rule lets hybrid-coordinator in',
      calls: [
        {
          what: 'the health probe, which is public',
          inReport: '200, public',
          inEnforce: '200, public',
          refusal: null,
          make: () => askHealth(gateway),
        },
        embed('no credential', {}, '401 Missing Authorization header', 'missing_credentials'),
        embed('a wrong key, as Bearer', bearer(held.wrong), token, 'invalid_credentials'),
        embed('a wrong key, as x-api-key', xApiKey(held.wrong), apiKey, 'invalid_credentials'),
        embed('an expired key, as Bearer', bearer(held.expired.key), token, 'expired'),
        embed('an expired key, as x-api-key', xApiKey(held.expired.key), apiKey, 'expired'),
        embed('a revoked key, as Bearer', bearer(held.revoked.key), token, 'revoked'),
        embed('a revoked key, as x-api-key', xApiKey(held.revoked.key), apiKey, 'revoked'),
        embed('the right key of another service', bearer(held.ofAnother.key), '403 Caller not allowed', 'not_allowed'),
        right('the right key, as Bearer', () => bearer(held.right.key)),
        right('the right key, as x-api-key', () => xApiKey(held.right.key)),
      ],
    },
    {
      title: 'Service signatures (HMAC): the key itself does not travel',
      calls: [
        right('signed', () => signedHeaders({ secret: held.hmac.key })),
        signed('signed for another path', { path: '/embeddings/models' }, '401 Invalid signature', 'invalid_signature'),
        signed(
          'signed ten minutes ago',
          { secondsAgo: 600 },
          '401 Timestamp outside allowed window',
          'timestamp_outside_window',
        ),
      ],
    },
    {
      title: 'Session tokens: POST /hybrid-coordinator/query, answered as a stream of events',
      calls: [
        {
          what: "alice's token",
          inReport: '200, streamed',
          inEnforce: '200, streamed',
          refusal: null,
          make: () => askCoordinator(gateway, bearer(held.token)),
        },
        {
          what: 'a revoked token',
          inReport: '200, streamed',
          inEnforce: token,
          refusal: { service: 'hybrid-coordinator', reason: 'revoked' },
          make: () => askCoordinator(gateway, bearer(held.revokedToken)),
        },
      ],
    },
    {
      title: 'MCP and WebSockets, with the official MCP client',
      calls: [
        {
          what: 'MCP client without a key',
          inReport: 'lists tools, calls echo',
          inEnforce: '401 Missing Authorization header',
          refusal: { service: 'everything', reason: 'missing_credentials' },
          make: () => askMcp(gateway, {}),
        },
        {
          what: 'MCP client with a key',
          inReport: 'lists tools, calls echo',
          inEnforce: 'lists tools, calls echo',
          refusal: null,
          make: () => askMcp(gateway, bearer(held.right.key)),
        },
        {
          what: 'WebSocket without a key',
          inReport: 'opens, answers',
          inEnforce: 'refused at the handshake',
          refusal: { service: 'browser-service', reason: 'missing_credentials' },
          make: () => askBrowser(gateway, {}),
        },
        {
          what: 'WebSocket with a key',
          inReport: 'opens, answers',
          inEnforce: 'opens, answers',
          refusal: null,
          make: () => askBrowser(gateway, xApiKey(held.right.key)),
        },
      ],
    },
  ];
}

export function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

function xApiKey(key: string): Record<string, string> {
  return { 'x-api-key': key };
}
