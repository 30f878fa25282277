import type { ServiceConfig } from '../../compose/config.ts';
import type { AuthRequest } from '../../core/request.ts';
import { prefixOf } from '../topology.ts';
import { badResponse } from '../upstream/fault.ts';
import type { SessionBinding } from './sessions.ts';

/**
 * The transport before 2025-03-26: a GET opens a stream whose first event, `endpoint`, says where messages are to be posted. The
 * server knows neither the path under which it is called here nor who may use the session that stands in that address.
 */
export interface Endpoint {
  /** Of the stream, as the upstream knows it. */
  readonly streamUrl: URL;
  /** What stands before every path of the upstream, and what before those that callers use. */
  readonly basePath: string;
  readonly callerPath: string;
}

/** What is asked for: by the caller, and with `target` of the upstream. */
export interface Asked {
  readonly request: Pick<AuthRequest, 'method' | 'target' | 'path'>;
  readonly target: string;
  readonly service: Pick<ServiceConfig, 'name' | 'upstream'>;
  readonly basePath: string;
}

/** Null where no stream is opened. */
export function endpointOf({ request, target, service, basePath }: Asked): Endpoint | null {
  if (request.method !== 'GET') return null;
  return { streamUrl: new URL(target, service.upstream), basePath, callerPath: prefixOf(request, service) };
}

/** As the servers of all official SDKs call it. */
const sessionParameter = /^session_?id$/i;

/**
 * Where the caller is to post to, for the event's data. Throws an UpstreamError where that is another place than the upstream: the
 * caller would send its key there.
 */
export function callersEndpoint(
  data: string,
  { streamUrl, basePath, callerPath }: Endpoint,
  sessions: SessionBinding,
): string {
  const url = URL.parse(data.trim(), streamUrl.href);
  if (url === null || url.protocol !== streamUrl.protocol || url.host !== streamUrl.host)
    throw badResponse('an endpoint at another place');
  if (!url.pathname.startsWith(`${basePath}/`)) throw badResponse('an endpoint outside its base path');
  const path = callerPath + url.pathname.slice(basePath.length);
  // Read again by the caller this would be a host.
  if (path.startsWith('//')) throw badResponse('an endpoint at another place');
  const query = replaced(url.search, sessions.bound);
  return path + (query ?? url.search);
}

/** The target as the upstream knows it; null where the session in its query is not the caller's. */
export function upstreamTarget(target: string, sessions: SessionBinding): string | null {
  const mark = target.indexOf('?');
  if (mark === -1) return target;
  const query = replaced(target.slice(mark), sessions.opened);
  return query === null ? null : target.slice(0, mark) + query;
}

/** The query with other session ids; null where one cannot be had. */
function replaced(query: string, change: (id: string) => string | null): string | null {
  const pairs: string[] = [];
  for (const pair of query.slice(1).split('&')) {
    const [, name = pair, value = ''] = /^([^=]*)=(.*)$/s.exec(pair) ?? [];
    const known = decoded(name);
    if (known === null || !sessionParameter.test(known)) {
      pairs.push(pair);
      continue;
    }
    const id = decoded(value);
    const changed = id === null ? null : change(id);
    if (changed === null) return null;
    pairs.push(changed === id ? pair : `${name}=${encodeURIComponent(changed)}`);
  }
  return query === '' ? '' : `?${pairs.join('&')}`;
}

/** Null for what nobody decodes. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
