import { resolve } from 'node:path';
import type { CertificateConfig, ListenTlsConfig, UpstreamTlsConfig } from '../config.ts';
import { secondsOf } from '../schema/quantities.ts';
import type { RawConfig, RawService } from '../schema/schema.ts';

export function listenTlsOf(raw: RawConfig['tls'], folder: string): ListenTlsConfig | null {
  if (raw === undefined) return null;
  return {
    cert: resolve(folder, raw.cert),
    key: resolve(folder, raw.key),
    clientCa: raw.clientCa === undefined ? null : resolve(folder, raw.clientCa),
    trustDomain: raw.trustDomain ?? null,
    subjects: new Map(Object.entries(raw.subjects ?? {})),
  };
}

export function upstreamTlsOf(raw: RawService['tls'], folder: string): UpstreamTlsConfig | null {
  if (raw === undefined) return null;
  const path = (file: string | undefined): string | null => (file === undefined ? null : resolve(folder, file));
  return { ca: path(raw.ca), cert: path(raw.cert), key: path(raw.key), serverName: raw.serverName ?? null };
}

export function certificatesOf(raw: RawConfig['certificates'], folder: string): CertificateConfig[] {
  return Object.entries(raw ?? {}).map(([service, kept]) => ({
    service,
    folder: resolve(folder, kept.folder),
    hosts: kept.hosts ?? [],
    seconds: secondsOf(kept.life, 86_400),
  }));
}
