import { envFiles, secretFiles, type KeySource } from '../keys/sources/index.ts';
import type { StackConfig } from './config.ts';

/** The key files that the configuration names, as one source: a reload can add and remove some. */
export interface ConfiguredSources extends KeySource {
  /** Takes up what the configuration in force names and lets go of the rest. */
  follow(): Promise<void>;
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
    for (const [label, { kind, pattern }] of wanted) {
      if (sources.has(label)) continue;
      const source =
        kind === 'files'
          ? secretFiles({ pattern, services: () => config().services, onWarning })
          : envFiles({ pattern, onWarning });
      sources.set(label, source);
      await source.start(() => changed?.());
    }
    // Whose key a file is depends on the services as well.
    for (const source of sources.values()) await source.refresh();
  }

  const all = () => [...sources.values()];
  return {
    name: 'the key files of the configuration',
    async start(onChange) {
      await follow();
      changed = onChange;
    },
    async follow() {
      await follow();
      changed?.();
    },
    async refresh() {
      for (const source of all()) await source.refresh();
    },
    keys: () => all().flatMap((source) => source.keys()),
    warnings: () => all().flatMap((source) => source.warnings()),
    close() {
      for (const source of all()) source.close();
      sources.clear();
    },
  };
}

/** What the key files hold now, and what is wrong with them: for those who look once and start nothing. */
export async function lookAtKeyFiles(config: StackConfig): Promise<Pick<KeySource, 'keys' | 'warnings'>> {
  const source = configuredSources({ config: () => config, onWarning: () => undefined });
  try {
    await source.start(() => undefined);
    const [keys, warnings] = [source.keys(), source.warnings()];
    return { keys: () => keys, warnings: () => warnings };
  } finally {
    source.close();
  }
}

interface Wanted {
  readonly kind: 'files' | 'envFiles';
  readonly pattern: string;
}

/** In the order of the file; the files of single services come last. */
function wantedSources(config: StackConfig): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const want = (kind: Wanted['kind'], pattern: string) => wanted.set(`${kind} ${pattern}`, { kind, pattern });
  for (const source of config.keys) if (source.kind !== 'redis') want(source.kind, source.pattern);
  for (const { apiKeyFile } of config.services) if (apiKeyFile !== null) want('files', apiKeyFile);
  return wanted;
}
