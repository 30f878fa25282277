import { resolve } from 'node:path';
import { followFiles, type Following } from './follow-files.ts';
import type { FileSourceOptions, FoundKey, KeySource } from './key-source.ts';

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
          const { keys, warnings } = read(paths);
          const missing = paths.length === 0 && !pattern.includes('*') ? [`${pattern}: does not exist`] : [];
          const changed = take({ keys, warnings: [...warnings, ...missing, ...(fault === null ? [] : [fault])] });
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
