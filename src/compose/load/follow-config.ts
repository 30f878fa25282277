import type { StackConfig } from '../config.ts';
import { watchConfig } from './watch-config.ts';

export interface FollowConfigOptions {
  /** At first; files of MCP servers that the configuration names later are followed too. */
  readonly files: readonly string[];
  readonly load: () => StackConfig | Promise<StackConfig>;
  /** Throws, saying why, when the configuration cannot take effect. */
  readonly apply: (config: StackConfig) => void | Promise<void>;
  /** Told of what was refused: the last good configuration stays in force. */
  readonly onRefused: (error: unknown) => void;
}

export interface FollowedConfig {
  /** Reads it anew, as when a file has changed. */
  reload(): void;
  close(): void;
}

/** Takes up the configuration anew whenever one of its files changes. */
export function followConfig({ files, load, apply, onRefused }: FollowConfigOptions): FollowedConfig {
  // One after the other: of two changes in a row the later one is to win.
  let last: Promise<void> = Promise.resolve();
  let closed = false;

  async function takeUp(): Promise<void> {
    try {
      const config = await load();
      if (closed) return;
      // Also where it cannot take effect: it is then mended in one of these files.
      follow(config.mcpFiles);
      await apply(config);
    } catch (error) {
      if (!closed) onRefused(error);
    }
  }

  const reload = (): void => {
    last = last.then(takeUp);
  };
  const followed = new Map<string, () => void>();
  function follow(more: readonly string[]): void {
    for (const file of more) if (!followed.has(file)) followed.set(file, watchConfig(file, reload));
  }
  follow(files);
  return {
    reload,
    close() {
      closed = true;
      for (const stop of followed.values()) stop();
    },
  };
}
