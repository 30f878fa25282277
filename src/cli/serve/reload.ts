import { readFileSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { StackConfig } from '../../compose/config.ts';
import { explain } from '../failure.ts';

export interface ReloadOptions {
  readonly file: string;
  readonly load: () => StackConfig | Promise<StackConfig>;
  readonly apply: (config: StackConfig) => void;
  /** Told of success, and of what was refused, in plain words. */
  readonly say: (lines: readonly string[], good: boolean) => void;
}

/** Follows the configuration: SIGHUP, or a change of the file. A broken one is refused and the last good one stays. */
export interface Reloading {
  close(): void;
}

const settleMillis = 100;

export function followConfig({ file, load, apply, say }: ReloadOptions): Reloading {
  let text = textOf(file);
  let timer: NodeJS.Timeout | null = null;

  async function reload(): Promise<void> {
    try {
      apply(await load());
      say(['the configuration was read anew and is in force'], true);
    } catch (error) {
      say(['the new configuration is refused, the last good one stays in force:', ...explain(error).lines], false);
    }
  }

  /** Editors write a file in several steps, and a mounted folder is swapped as a whole: look once it is quiet. */
  function changed(): void {
    timer = null;
    const now = textOf(file);
    if (now === text || now === null) return;
    text = now;
    void reload();
  }

  const onHangup = (): void => {
    text = textOf(file);
    void reload();
  };
  process.on('SIGHUP', onHangup);
  const watcher = watchFolder(file, () => {
    timer ??= setTimeout(changed, settleMillis);
  });
  return {
    close() {
      process.removeListener('SIGHUP', onHangup);
      watcher?.close();
      if (timer) clearTimeout(timer);
    },
  };
}

/** The folder, not the file: a file that is replaced is another file, and a watch on it would see nothing more. */
function watchFolder(file: string, onEvent: () => void): FSWatcher | null {
  const name = basename(file);
  try {
    const watcher = watch(dirname(file), { persistent: false }, (_event, changedName) => {
      if (changedName === null || changedName === name || changedName === '..data') onEvent();
    });
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    // No watch to be had here (too many, or not supported): SIGHUP still works.
    return null;
  }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
