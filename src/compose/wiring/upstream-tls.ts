import { createSecureContext, type SecureContext } from 'node:tls';
import type { ServiceConfig, UpstreamTlsConfig } from '../config.ts';
import { followTls, type FollowedTls } from './tls-files.ts';

/** With which certificates upstreams are spoken to, followed as their files change. */
export interface UpstreamTls {
  /** Null where the files cannot be used. */
  contextOf(tls: UpstreamTlsConfig): SecureContext | null;
  /** Takes up the files of these services and lets go of the rest. */
  follow(services: readonly ServiceConfig[]): void;
  close(): void;
}

export function upstreamTls(onWarning: (text: string) => void): UpstreamTls {
  const followed = new Map<string, { readonly files: FollowedTls; context: SecureContext | null }>();

  function drop(key: string): void {
    followed.get(key)?.files.close();
    followed.delete(key);
  }

  function take(name: string, tls: UpstreamTlsConfig): void {
    let context: SecureContext | null = null;
    const onChange = (options: object): void => {
      context = createSecureContext(options);
    };
    const files = followTls({ files: tls, what: `tls of ${name}`, onChange, onWarning });
    if (files.options === null) onWarning(`${files.fault}; requests to ${name} are refused until that is mended`);
    followed.set(keyOf(tls), {
      files,
      get context() {
        return context;
      },
    });
  }

  return {
    contextOf: (tls) => followed.get(keyOf(tls))?.context ?? null,
    follow(services) {
      const wanted = new Map(services.flatMap(({ name, tls }) => (tls ? [[keyOf(tls), { name, tls }]] : [])));
      for (const key of followed.keys()) if (!wanted.has(key)) drop(key);
      for (const [key, { name, tls }] of wanted) if (!followed.has(key)) take(name, tls);
    },
    close() {
      for (const key of followed.keys()) drop(key);
    },
  };
}

function keyOf({ ca, cert, key }: UpstreamTlsConfig): string {
  return JSON.stringify([ca, cert, key]);
}
