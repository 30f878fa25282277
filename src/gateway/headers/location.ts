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
  const [, scheme = '', authority, path = ''] =
    /^(?:(https?):\/\/([^/?#]*))?(\/(?![/\\])[^]*|[?#][^]*)?$/i.exec(location) ?? [];
  const isOwn = authority !== undefined && hostOf(location) === new URL(service.upstream).host;
  const isCallers = authority === undefined || authority.toLowerCase() === authorityOf(req, config.trustedProxies);
  if ((!isOwn && !isCallers) || (!path.startsWith('/') && !isOwn)) return location;
  const prefix = prefixOf(request, service);
  // To HTTPS, at the name by which we were called: the path alone would lead here again, for ever.
  const isSecured = !isOwn && scheme.toLowerCase() === 'https' && request.protocol === 'http';
  const origin = isSecured ? `https://${authority?.toLowerCase()}` : '';
  const [, first = ''] = /^\/([^/?#]*)/.exec(path) ?? [];
  if (prefix !== '' && first === service.name) return origin + path;
  if (prefix !== '' && !isOwn && config.services.some(({ name }) => name === first)) return location;
  const { basePath } = upstream;
  const rest = path.slice(basePath.length);
  // Outside of its base path nothing of the upstream can be reached here.
  if (!path.startsWith(basePath) || !/^(?:[/?#]|$)/.test(rest)) return location;
  const whole = prefix === '' && !rest.startsWith('/') ? `/${rest}` : prefix + rest;
  // What stood behind the base path would be a host; browsers take a backslash for a slash, and leave tabs out.
  return /^\/\t*[/\\]/.test(whole) ? location : origin + whole;
}

function hostOf(url: string): string | undefined {
  return URL.parse(url)?.host;
}
