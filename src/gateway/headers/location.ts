import { authorityOf } from '../../adapters/node/request.ts';
import type { ExchangeOptions } from '../exchange-options.ts';
import { prefixOf } from '../topology.ts';

/** What it takes of an exchange. */
export type Redirected = Pick<ExchangeOptions, 'context' | 'req' | 'request' | 'service' | 'upstream'>;

/**
 * A redirect as callers can follow it (RFC 9110 §10.2.2). An upstream knows neither the prefix under which it is called here nor that
 * its own address is none of theirs: to that the caller would take its key past the gateway. What lies elsewhere stays as it is, and
 * so does a path that has the prefix already, or means another service of the stack.
 */
export function callersLocation(location: string, { context, req, request, service, upstream }: Redirected): string {
  const { config } = context.stack;
  const [, authority, path = ''] = /^(?:https?:\/\/([^/?#]*))?(\/(?![/\\])[^]*)?$/i.exec(location) ?? [];
  const isOwn = authority !== undefined && hostOf(location) === new URL(service.upstream).host;
  const isCallers = authority === undefined || authority.toLowerCase() === authorityOf(req, config.trustedProxies);
  if ((!isOwn && !isCallers) || (path === '' && !isOwn)) return location;
  const prefix = prefixOf(request, service);
  const [, first = ''] = /^\/([^/?#]*)/.exec(path) ?? [];
  if (prefix !== '' && first === service.name) return path;
  if (prefix !== '' && !isOwn && config.services.some(({ name }) => name === first)) return location;
  const { basePath } = upstream;
  // Outside of its base path nothing of the upstream can be reached here.
  if (!path.startsWith(basePath) || !/^(?:[/?#]|$)/.test(path.slice(basePath.length))) return location;
  return prefix + path.slice(basePath.length) || '/';
}

function hostOf(url: string): string | undefined {
  return URL.parse(url)?.host;
}
