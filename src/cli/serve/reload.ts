import { followConfig, type FollowConfigOptions } from '../../compose/load/follow-config.ts';
import { explain } from '../failure.ts';

export interface ReloadOptions extends Omit<FollowConfigOptions, 'onRefused'> {
  /** Told of success, and of what was refused, in plain words. */
  readonly say: (lines: readonly string[], good: boolean) => void;
}

/** Follows the configuration on SIGHUP and when a file changes; returns how to stop. */
export function reloading({ files, load, apply, say }: ReloadOptions): () => void {
  const following = followConfig({
    files,
    load,
    async apply(config) {
      await apply(config);
      say(['The configuration was read anew and is in force.'], true);
    },
    onRefused: (error) =>
      say(['The new configuration is refused, and the last good one stays in force:', ...explain(error).lines], false),
  });
  process.on('SIGHUP', following.reload);
  return () => {
    process.removeListener('SIGHUP', following.reload);
    following.close();
  };
}
