import { hostname, userInfo } from 'node:os';
import type { Actor } from '../core/event.ts';

/** Who sits at the command line: the user of the operating system, and whom sudo says it was before. */
export function commandActor(env: Readonly<Record<string, string | undefined>>): Actor {
  const name = userName();
  const before = name === 'root' ? env['SUDO_USER'] : undefined;
  return { id: `cli:${before ? `${name}(${before})` : name}`, via: 'cli', from: hostname() };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // Containers run under numbers that no account has.
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
