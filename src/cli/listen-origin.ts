import type { StackConfig } from '../compose/config.ts';
import { usage } from './failure.ts';

/** Where this machine reaches the running server of the configuration. */
export function listenOrigin({
  listen,
  tls,
}: Pick<StackConfig, 'listen'> & { readonly tls: StackConfig['tls'] | StackConfig['adminTls'] }): string {
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}

export interface GivenOrigin {
  readonly origin: string;
  /** Host and port. */
  readonly authority: string;
  readonly protocol: 'http' | 'https';
}

/** What --url names. A name and password in it would be in the process list already, and are not repeated. */
export function givenOrigin(url: string): GivenOrigin {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const plain = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.pathname === '/' && parsed.search === '';
  if (!plain || parsed.username !== '' || parsed.password !== '')
    throw usage('--url is where the gateway listens, as in http://127.0.0.1:8700');
  return { origin: parsed.origin, authority: parsed.host, protocol: parsed.protocol === 'https:' ? 'https' : 'http' };
}
