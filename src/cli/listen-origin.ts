import type { StackConfig } from '../compose/config.ts';

/** Where this machine reaches the running server of the configuration. */
export function listenOrigin({ listen }: Pick<StackConfig, 'listen'>): string {
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}
