import type { Exchange } from './exchange.ts';
import { isRefused, refused, type Refused } from './refused.ts';

/** The request that a proxy asks about, as the proxy describes it. */
export interface Described {
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly target: string;
  /** Lower case, with the port when there was one; '' when the proxy does not say. */
  readonly authority: string;
  readonly protocol: 'http' | 'https';
  /** The service that the verify URL names; null when it names none. */
  readonly service: string | null;
}

/** Reads its own description only: one that also read another's could be fed that one by the client. */
export type Dialect = (exchange: Exchange) => Described | Refused;

export const envoyPrefix = '/auth/verify/envoy';

/** By the path of the verify URL. Envoy's carries the original path behind it and is told apart by its prefix. */
export const DIALECTS: Readonly<Record<string, Dialect>> = {
  '/auth/verify/nginx': headers({
    method: 'x-original-method',
    uri: 'x-original-uri',
    host: 'x-original-host',
    protocol: 'x-original-proto',
  }),
  '/auth/verify/ingress-nginx': originalUrl,
  '/auth/verify/forward': headers({
    method: 'x-forwarded-method',
    uri: 'x-forwarded-uri',
    host: 'x-forwarded-host',
    protocol: 'x-forwarded-proto',
  }),
};

interface Names {
  readonly method: string;
  readonly uri: string;
  readonly host: string;
  readonly protocol: string;
}

/**
 * The host may be left out only where the verify URL names the service: otherwise the client could send it and choose which
 * service it is judged at.
 */
function headers(names: Names): Dialect {
  return (exchange) => {
    const service = serviceNamed(exchange);
    if (isRefused(service)) return service;
    const method = single(exchange, names.method, true);
    const target = single(exchange, names.uri, true);
    const host = single(exchange, names.host, service.name === null);
    const protocol = single(exchange, names.protocol, false);
    for (const field of [method, target, host, protocol]) if (isRefused(field)) return field;
    return described(method as Field, target as Field, host as Field, protocol as Field, service.name);
  };
}

/** ingress-nginx sends the whole URL: https://host/path?query. Sliced, not parsed: a URL parser would rewrite the path. */
function originalUrl(exchange: Exchange): Described | Refused {
  const service = serviceNamed(exchange);
  if (isRefused(service)) return service;
  const method = single(exchange, 'x-original-method', true);
  if (isRefused(method)) return method;
  const url = single(exchange, 'x-original-url', true);
  if (isRefused(url)) return url;
  const parts = /^(https?):\/\/([^/?#]+)([/?].*)?$/i.exec(url.value);
  if (!parts) return refused('bad_request', 'x-original-url is not of the form http://host/path');
  const [, protocol = '', host = '', rest = ''] = parts;
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  return described(method, { value: target }, { value: host }, { value: protocol.toLowerCase() }, service.name);
}

/**
 * Envoy passes method, Host and path on as they were; the path stands behind the prefix. The query is the client's, so the
 * service is never taken from it.
 */
export function envoy(exchange: Exchange): Described | Refused {
  const { request } = exchange;
  const target = request.target.slice(envoyPrefix.length);
  if (!target.startsWith('/')) return refused('bad_request', `the path behind ${envoyPrefix} must begin with a slash`);
  const protocol = single(exchange, 'x-forwarded-proto', false);
  if (isRefused(protocol)) return protocol;
  return described({ value: request.method }, { value: target }, { value: request.authority }, protocol, null);
}

interface Field {
  readonly value: string;
}

function single({ request }: Exchange, name: string, needed: boolean): Field | Refused {
  const lines = request.fields(name);
  if (lines.length > 1) return refused('bad_request', `${name} was sent more than once`);
  const value = lines[0] ?? '';
  if (needed && value === '') return refused('bad_request', `${name} is missing`);
  return { value };
}

function serviceNamed({ query }: Exchange): { readonly name: string | null } | Refused {
  const names = query.getAll('service');
  if (names.length > 1) return refused('bad_request', 'the verify URL names more than one service');
  return { name: names[0] ?? null };
}

function described(
  method: Field,
  target: Field,
  host: Field,
  protocol: Field,
  service: string | null,
): Described | Refused {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}$/.test(method.value))
    return refused('bad_request', 'the original method is no method');
  const authority = host.value.toLowerCase();
  if (!/^(?:|(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?)$/.test(authority))
    return refused('bad_request', 'the original host is no host name');
  // Traefik says ws and wss at a WebSocket handshake.
  const scheme = protocol.value.toLowerCase().replace(/^ws/, 'http');
  if (scheme !== '' && scheme !== 'http' && scheme !== 'https')
    return refused('bad_request', 'the original protocol is neither http nor https');
  return {
    method: method.value,
    target: target.value,
    authority,
    protocol: scheme === 'https' ? 'https' : 'http',
    service,
  };
}
