import { resolve } from 'node:path';
import { withoutKeys } from '../../core/text/without-keys.ts';
import { followFiles, type Following } from './follow-files.ts';
import type { FileSourceOptions, FoundKey, KeySource } from './key-source.ts';
import { isMomentary } from './read-secret.ts';

/** What the files say now. */
export interface Findings {
  readonly keys: readonly FoundKey[];
  readonly warnings: readonly string[];
}

const pollMillisUsual = 5000;

/** A key source over the files of one pattern; `read` turns their paths into keys. */
export function fileSource(
  label: string,
  options: FileSourceOptions,
  read: (paths: readonly string[]) => Findings,
): KeySource {
  const pattern = resolve(options.pattern);
  let findings: Findings = { keys: [], warnings: [] };
  let following: Following | null = null;

  function look(paths: readonly string[] | null, fault: string | null): Findings {
    const faults = fault === null ? [] : [fault];
    if (paths === null) return { keys: findings.keys, warnings: faults };
    if (paths.length === 0 && !pattern.includes('*')) faults.push(`${withoutKeys(pattern)}: does not exist`);
    try {
      const { keys, warnings } = read(paths);
      return { keys, warnings: [...warnings, ...faults] };
    } catch (error) {
      if (!isMomentary(error)) throw error;
      // Good keys are not dropped because the machine is short of something.
      const trouble = `${pattern}: cannot be read just now (${error.code}), its keys stay as they were`;
      return { keys: findings.keys, warnings: [trouble, ...faults] };
    }
  }

  function take(next: Findings): boolean {
    for (const text of next.warnings) if (!findings.warnings.includes(text)) options.onWarning(text);
    const changed = signature(next) !== signature(findings);
    findings = next;
    return changed;
  }

  return {
    name: `${label} ${pattern}`,
    async start(onChange) {
      let started = false;
      following ??= followFiles({
        pattern,
        pollMillis: options.pollMillis ?? pollMillisUsual,
        onLook(paths, fault) {
          const changed = take(look(paths, fault));
          if (changed && started) onChange();
        },
      });
      following.look();
      started = true;
    },
    async refresh() {
      following?.look();
    },
    keys: () => findings.keys,
    warnings: () => findings.warnings,
    close() {
      following?.close();
      following = null;
    },
  };
}

function signature({ keys, warnings }: Findings): string {
  return JSON.stringify([
    keys.map((key) => [key.kind, key.credentialId, key.digest, key.service, key.kind === 'sk' ? key.acceptedAt : null]),
    warnings,
  ]);
}
