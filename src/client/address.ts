import { ClientError } from './client-error.ts';

/** Where a client's requests go. Without a base every request names its own, and gets the credential. */
export interface Base {
  readonly origin: string;
  /** Without a slash at the end; '' for none. */
  readonly path: string;
}

/** Throws a TypeError on what is no address of a service. `option`: where it stands, for the message. */
export function baseOf(baseUrl: string | URL, option: 'baseUrl' | 'gateway' = 'baseUrl'): Base {
  const url = URL.parse(String(baseUrl));
  if (!url || !isHttp(url))
    throw new TypeError(`${option} must be an absolute http or https URL, as http://127.0.0.1:8700`);
  if (url.username !== '' || url.password !== '')
    throw new TypeError(`${option} must not hold a user name or password: give a credential instead`);
  if (url.search !== '' || url.hash !== '') throw new TypeError(`${option} must have neither a query nor a fragment`);
  return { origin: url.origin, path: url.pathname.replace(/\/+$/, '') };
}

/**
 * What a call names, as an absolute URL. Below a base '/embed' is appended to it, and cannot climb out of it with dots: part of
 * a path is often somebody's input, and another service must not be handed the key of this one.
 */
export function addressOf(target: string, base: Base | null): URL {
  const absolute = /^[A-Za-z][A-Za-z0-9+.-]*:/.test(target);
  if (absolute || base === null) {
    const url = URL.parse(target);
    if (!url) throw new TypeError('without a baseUrl, a request needs an absolute URL');
    if (!isHttp(url)) throw new TypeError(`a service is called over http or https, not ${url.protocol}`);
    if (base !== null && url.origin !== base.origin)
      throw new ClientError('outside_base', `the credential is for ${base.origin} and is not sent to ${url.origin}`);
    return url;
  }
  const joint = target === '' || target.startsWith('/') || target.startsWith('?') ? '' : '/';
  const url = new URL(`${base.origin}${base.path}${joint}${target}`);
  if (!isWithin(url, base)) throw new ClientError('outside_base', `the path leads out of ${base.origin}${base.path}`);
  return url;
}

export function isWithin(url: Pick<URL, 'origin' | 'pathname'>, base: Base): boolean {
  return url.origin === base.origin && (url.pathname === base.path || url.pathname.startsWith(`${base.path}/`));
}

/** Path and query as fetch puts them on the request line: what is signed is what is sent. */
export function targetOf(url: URL): string {
  return url.pathname + url.search;
}

function isHttp(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:';
}
