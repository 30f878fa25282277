import { followFiles, type Following } from '../../keys/sources/follow-files.ts';
import { readSecretFile } from '../../keys/sources/read-secret.ts';
import type { ServiceConfig } from '../config.ts';

/** The upstreams' own keys, held in memory and read anew when their files change. */
export interface UpstreamKeys {
  /** Null where the service has none, or its file cannot be used. */
  keyOf(service: string): string | null;
  /** Takes up the files of these services and lets go of the rest. */
  follow(services: readonly ServiceConfig[]): void;
  close(): void;
}

const pollMillis = 5000;

export function upstreamKeys(onWarning: (text: string) => void): UpstreamKeys {
  const keys = new Map<string, string>();
  let files: ReadonlyMap<string, string> = new Map();
  const followed = new Map<string, Following>();
  const told = new Map<string, string>();

  function read(path: string): void {
    const reading = readSecretFile(path);
    if (reading.ok) keys.set(path, reading.text);
    else keys.delete(path);
    const complaint = (reading.ok ? reading.warning : reading.fault) ?? '';
    if (complaint !== '' && told.get(path) !== complaint) onWarning(`upstreamKey: ${complaint}`);
    told.set(path, complaint);
  }

  function drop(path: string): void {
    followed.get(path)?.close();
    followed.delete(path);
    keys.delete(path);
    told.delete(path);
  }

  return {
    keyOf(service) {
      const path = files.get(service);
      return path === undefined ? null : (keys.get(path) ?? null);
    },
    follow(services) {
      files = new Map(services.flatMap(({ name, upstreamKey }) => (upstreamKey ? [[name, upstreamKey.file]] : [])));
      const wanted = new Set(files.values());
      for (const path of followed.keys()) if (!wanted.has(path)) drop(path);
      for (const path of wanted) {
        if (!followed.has(path))
          followed.set(path, followFiles({ pattern: path, pollMillis, onLook: () => read(path) }));
        followed.get(path)?.look();
      }
    },
    close() {
      for (const path of followed.keys()) drop(path);
    },
  };
}
