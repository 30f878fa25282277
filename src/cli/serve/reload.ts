import type { StackConfig } from '../../compose/config.ts';
import { watchConfig } from '../../compose/watch-config.ts';
import { explain } from '../failure.ts';

export interface ReloadOptions {
  /** At first; files of MCP servers that the configuration names later are followed too. */
  readonly files: readonly string[];
  readonly load: () => StackConfig | Promise<StackConfig>;
  /** Throws, saying why, when the configuration cannot take effect. */
  readonly apply: (config: StackConfig) => void | Promise<void>;
  /** Told of success, and of what was refused, in plain words. */
  readonly say: (lines: readonly string[], good: boolean) => void;
}

/** Follows the configuration on SIGHUP and when a file changes; returns how to stop. The last good one stays in force. */
export function followConfig({ files, load, apply, say }: ReloadOptions): () => void {
  // One after the other: of two changes in a row the later one is to win.
  let last: Promise<void> = Promise.resolve();

  async function reload(): Promise<void> {
    try {
      const config = await load();
      // Also where it cannot take effect: it is then mended in one of these files.
      follow(config.mcpFiles);
      await apply(config);
      say(['The configuration was read anew and is in force.'], true);
    } catch (error) {
      say(['The new configuration is refused, and the last good one stays in force:', ...explain(error).lines], false);
    }
  }

  const onChange = (): void => {
    last = last.then(reload);
  };
  process.on('SIGHUP', onChange);
  const followed = new Map<string, () => void>();
  function follow(more: readonly string[]): void {
    for (const file of more) if (!followed.has(file)) followed.set(file, watchConfig(file, onChange));
  }
  follow(files);
  return () => {
    process.removeListener('SIGHUP', onChange);
    for (const stop of followed.values()) stop();
  };
}
