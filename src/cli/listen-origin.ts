import type { StackConfig } from '../compose/config.ts';

/** Where this machine reaches the running server of the configuration. */
export function listenOrigin({ listen, tls }: Pick<StackConfig, 'listen' | 'tls'>): string {
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}
