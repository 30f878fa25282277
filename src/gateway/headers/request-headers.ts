import type { IncomingMessage } from 'node:http';
import type { NodeRequest } from '../../adapters/node/request.ts';
import { fieldLines } from '../../adapters/node/request.ts';
import type { ServiceConfig } from '../../compose/config.ts';
import type { Decision } from '../../core/decision.ts';
import { IDENTITY_HEADERS, identityValues } from '../../core/identity.ts';
import { withoutOwnCookies } from './own-cookies.ts';
import { connectionOptions, headerKind } from './header-kinds.ts';

/**
 * The header lines that the upstream receives, as a flat list of names and values. The client's hop-by-hop lines and
 * identity headers go before ours are set, so that a Connection header cannot take ours away (RFC 9110 §7.6.1).
 */
export function upstreamHeaders(
  req: IncomingMessage,
  request: NodeRequest,
  service: ServiceConfig,
  decision: Decision,
  upstreamKey: string | null,
): string[] {
  const { rawHeaders } = req;
  const options = req.headers.connection === undefined ? null : connectionOptions(fieldLines(rawHeaders, 'connection'));
  const drops = dropsCredentials(service, decision);
  const ownKey = upstreamKey === null ? null : (service.upstreamKey?.header ?? null);
  const trusted = request.viaTrustedProxy;
  const headers: string[] = [];
  let hasForwardedHost = false;
  let hasForwardedProto = false;
  let hasRequestId = false;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    let value = rawHeaders[index + 1] as string;
    switch (headerKind(name)) {
      case 'hop':
      case 'connection':
      case 'host':
      case 'identity':
      case 'secret':
      case 'forwarded-for':
        continue;
      case 'content-length':
        // The length frames the body, whatever Connection says about it.
        headers.push(name, value);
        continue;
      case 'forwarded-host':
        if (!trusted) continue;
        hasForwardedHost = true;
        break;
      case 'forwarded-proto':
        if (!trusted) continue;
        hasForwardedProto = true;
        break;
      case 'forwarded':
        if (!trusted) continue;
        value = `${value}, for=${forwardedNode(request.peerAddress)}`;
        break;
      case 'proxy-claim':
        if (!trusted) continue;
        break;
      case 'identity-claim':
        // In off and report nothing changes for callers, not even for those who lie.
        if (!trusted && decision.mode === 'enforce') continue;
        break;
      case 'authorization':
        if (ownKey === 'authorization' || (drops && service.authorization === 'ours')) continue;
        break;
      case 'credential':
        if (drops || (ownKey === 'x-api-key' && name.toLowerCase() === 'x-api-key')) continue;
        break;
      case 'cookie': {
        const kept = withoutOwnCookies(value);
        if (kept === null) continue;
        value = kept;
        break;
      }
      case 'request-id':
        // The id in our log is the one that the upstream gets, so that the two can be joined.
        if (!trusted) continue;
        hasRequestId = true;
        break;
      case 'rewrite':
        if (decision.mode === 'enforce') continue;
        break;
      case 'pass':
        break;
    }
    if (options !== null && options.has(name.toLowerCase())) continue;
    headers.push(name, value);
  }
  // Ours are in lower case: the upstream's client would have to lower each of them to look at it.
  headers.push('x-forwarded-for', forwardedFor(rawHeaders, request));
  if (!hasForwardedHost && req.headers.host !== undefined) headers.push('x-forwarded-host', req.headers.host);
  if (!hasForwardedProto) headers.push('x-forwarded-proto', request.protocol);
  if (!hasRequestId) headers.push('x-request-id', request.requestId);
  if (decision.mode !== 'off') stamp(headers, decision);
  if (ownKey === 'authorization') headers.push('authorization', `Bearer ${upstreamKey}`);
  else if (ownKey === 'x-api-key') headers.push('x-api-key', upstreamKey as string);
  return headers;
}

/** In off and report the client's credential passes untouched: nothing may change for callers before enforcement. */
function dropsCredentials(service: ServiceConfig, decision: Decision): boolean {
  return decision.mode === 'enforce' && !service.passCredential;
}

const [user = '', principal = '', scopes = '', mode = ''] = IDENTITY_HEADERS.map((name) => name.toLowerCase());

function stamp(headers: string[], decision: Decision): void {
  const values = identityValues(decision);
  headers.push(user, values[0], principal, values[1], scopes, values[2], mode, values[3]);
}

function forwardedFor(rawHeaders: readonly string[], request: NodeRequest): string {
  if (!request.viaTrustedProxy) return request.peerAddress;
  const lines = fieldLines(rawHeaders, 'x-forwarded-for');
  return lines.length === 0 ? request.peerAddress : `${lines.join(', ')}, ${request.peerAddress}`;
}

/** RFC 7239 §6: an IPv6 address stands in brackets and quotes. */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address;
}
