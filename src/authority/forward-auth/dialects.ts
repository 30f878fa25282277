import { methodFault } from '../../adapters/node/request-shape.ts';
import type { Exchange } from '../exchange.ts';
import { isRefused, refused, type Refused } from '../refused.ts';

/** The request that a proxy asks about, as the proxy describes it. */
export interface Described {
  readonly method: string;
  /** Path and query as the client sent them. */
  readonly target: string;
  /** Lower case, with the port when there was one; '' when the proxy does not say. */
  readonly authority: string;
  readonly protocol: 'http' | 'https';
  /** What the verify URL names; null when it names nothing. */
  readonly service: NamedService | null;
}

export interface NamedService {
  readonly name: string;
  /** What stands before the service's own paths, '/embeddings'; '' for nothing. */
  readonly prefix: string;
}

export interface Dialect {
  /** Reads its own description only: one that also read another's could be fed that one by the client. */
  readonly describe: (exchange: Exchange) => Described | Refused;
  /** Whether the proxy hands our refusal to the client, whatever its status; nginx keeps of a 401 or 403 the status and the headers. */
  readonly keepsBody: boolean;
}

export const envoyPrefix = '/auth/verify/envoy';

/** By the path of the verify URL. Envoy's carries the original path behind it and is told apart by its prefix. */
export const DIALECTS: Readonly<Record<string, Dialect>> = {
  '/auth/verify/nginx': {
    keepsBody: false,
    describe: headers({
      method: 'x-original-method',
      uri: 'x-original-uri',
      host: 'x-original-host',
      protocol: 'x-original-proto',
    }),
  },
  '/auth/verify/ingress-nginx': { keepsBody: false, describe: originalUrl },
  '/auth/verify/forward': {
    keepsBody: true,
    describe: headers({
      method: 'x-forwarded-method',
      uri: 'x-forwarded-uri',
      host: 'x-forwarded-host',
      protocol: 'x-forwarded-proto',
    }),
  },
};

export const envoy: Dialect = { keepsBody: true, describe: behindPrefix };

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
function headers(names: Names): Dialect['describe'] {
  return (exchange) => {
    const service = serviceNamed(exchange);
    if (isRefused(service)) return service;
    const method = single(exchange, names.method, true);
    const target = single(exchange, names.uri, true);
    const host = single(exchange, names.host, service.named === null);
    const protocol = single(exchange, names.protocol, false);
    for (const field of [method, target, host, protocol]) if (isRefused(field)) return field;
    return described(method as Field, target as Field, host as Field, protocol as Field, service.named);
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
  return described(method, { value: target }, { value: host }, { value: protocol.toLowerCase() }, service.named);
}

/**
 * Envoy passes method, Host and path on as they were; the path stands behind the prefix. The query is the client's, so the
 * service is never taken from it.
 */
function behindPrefix(exchange: Exchange): Described | Refused {
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

/** A query that is empty where a name should be was forgotten, not meant: it must not fall back on what the client says. */
function serviceNamed({ query }: Exchange): { readonly named: NamedService | null } | Refused {
  const [name, ...names] = query.getAll('service');
  const [prefix = '', ...prefixes] = query.getAll('prefix');
  if (names.length > 0 || prefixes.length > 0)
    return refused('bad_request', 'the verify URL names more than one service or prefix');
  if (name === '' || (name === undefined && prefix !== ''))
    return refused('bad_request', 'the verify URL does not name the service');
  if (prefix !== '' && !/^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(prefix))
    return refused('bad_request', 'the prefix in the verify URL must be plain segments: /embeddings, /api/embeddings');
  return { named: name === undefined ? null : { name, prefix } };
}

function described(
  method: Field,
  target: Field,
  host: Field,
  protocol: Field,
  service: NamedService | null,
): Described | Refused {
  if (methodFault(method.value) !== null)
    return refused('bad_request', 'the original method is none that is passed on');
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
