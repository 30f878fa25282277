import { sha256Hex } from '../../crypto/digest.ts';
import { variables, type Env } from '../env.ts';

export interface StartSecrets {
  /** Those whose files say something else by now, one line each: a reload takes none of them up. */
  changed(): string[];
}

const names = ['AUTH_ADMIN_TOKEN', 'SERVICE_AUTH_OVERRIDE_TOKEN'] as const;

/** The secrets that are read once, at the start. Only digests are kept. */
export function startSecrets(env: Env): StartSecrets {
  const digests = () => {
    const { read } = variables(env);
    return names.map((name) => {
      const secret = read(name);
      return secret === null ? null : sha256Hex(secret);
    });
  };
  const inForce = digests();
  return {
    changed() {
      const now = digests();
      // Only a file can change; one that is gone or cannot be read stops the next start, which says so.
      return names.flatMap((name, index) =>
        now[index] === null || now[index] === inForce[index]
          ? []
          : [`${name}_FILE has another secret by now, which counts only after a restart; until then the old one does`],
      );
    },
  };
}
