import { envFiles, redisKeys, secretFiles, type FoundKey, type KeySource } from '../../keys/sources/index.ts';
import type { KeySourceConfig, StackConfig } from '../config.ts';

/** The key files and the Redis that the configuration names, as one source: a reload can add and remove some. */
export interface ConfiguredSources extends KeySource {
  /** Takes up what the configuration in force names and lets go of the rest. */
  follow(): Promise<void>;
  unread(): string | null;
}

export interface ConfiguredSourcesOptions {
  readonly config: () => StackConfig;
  readonly onWarning: (text: string) => void;
}

export function configuredSources({ config, onWarning }: ConfiguredSourcesOptions): ConfiguredSources {
  const sources = new Map<string, KeySource>();
  let changed: (() => void) | null = null;

  async function follow(): Promise<void> {
    const wanted = wantedSources(config());
    for (const [label, source] of sources) {
      if (wanted.has(label)) continue;
      source.close();
      sources.delete(label);
    }
    for (const [label, what] of wanted) {
      if (sources.has(label)) continue;
      const source = made(what);
      sources.set(label, source);
      await source.start(() => changed?.());
    }
    // Whose key a file is depends on the services as well.
    for (const source of sources.values()) await source.refresh?.();
  }

  function made(what: KeySourceConfig): KeySource {
    if (what.kind === 'redis') return redisKeys({ url: what.url, onWarning });
    const { kind, pattern } = what;
    if (kind === 'envFiles') return envFiles({ pattern, onWarning });
    return secretFiles({ pattern, services: () => config().services, onWarning });
  }

  const all = () => [...sources.values()];
  return {
    name: 'the key sources of the configuration',
    async start(onChange) {
      await follow();
      changed = onChange;
    },
    async follow() {
      await follow();
      changed?.();
    },
    keys: () => all().flatMap((source) => source.keys()),
    warnings: () => all().flatMap((source) => source.warnings()),
    unread: () =>
      all()
        .map((source) => source.unread?.() ?? null)
        .find((why) => why !== null) ?? null,
    close() {
      for (const source of all()) source.close();
      sources.clear();
    },
  };
}

export interface KeySourcesLook {
  readonly keys: readonly FoundKey[];
  readonly warnings: readonly string[];
  /** True when one of them could not be read. */
  readonly unread: boolean;
}

/** What the key sources hold now, and what is wrong with them: for those who look once and start nothing. */
export async function lookAtKeySources(config: StackConfig): Promise<KeySourcesLook> {
  const source = configuredSources({ config: () => config, onWarning: () => undefined });
  try {
    await source.start(() => undefined);
    return { keys: source.keys(), warnings: source.warnings(), unread: source.unread() !== null };
  } finally {
    source.close();
  }
}

/** In the order of the file; the files of single services come last. */
function wantedSources(config: StackConfig): Map<string, KeySourceConfig> {
  const wanted = new Map<string, KeySourceConfig>();
  const want = (source: KeySourceConfig) =>
    wanted.set(`${source.kind} ${source.kind === 'redis' ? source.url : source.pattern}`, source);
  for (const source of config.keys) want(source);
  for (const { apiKeyFile } of config.services) if (apiKeyFile !== null) want({ kind: 'files', pattern: apiKeyFile });
  return wanted;
}
