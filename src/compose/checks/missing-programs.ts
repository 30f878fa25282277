import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandConfig, ServiceConfig } from '../config.ts';
import type { Env } from '../env.ts';

/** Commands of services that cannot be started as things stand, one line each: otherwise only a caller would hear of it. */
export function missingPrograms(services: readonly ServiceConfig[], env: Env): string[] {
  return services.flatMap(({ name, command }) => {
    if (command === null || isThere(command, env)) return [];
    const { command: program } = command;
    const [alone, ...args] = program.split(/\s+/);
    const remedy =
      args.length > 0 ? `its arguments stand beside it: command: ${alone}, args: [${args.join(', ')}]` : null;
    return [
      program.includes('/')
        ? `the command of "${name}" is no program: ${program}${remedy === null ? '' : `; ${remedy}`}`
        : `the command of "${name}" is not found in PATH: ${program}; ${remedy ?? 'install it, or write its whole path'}`,
    ];
  });
}

function isThere({ command, env: own }: CommandConfig, env: Env): boolean {
  if (command.includes('/')) return isProgram(command);
  const folders = (own['PATH'] ?? env['PATH'] ?? '').split(':');
  return folders.some((folder) => folder !== '' && isProgram(join(folder, command)));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
