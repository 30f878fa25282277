import { readSecretFile } from '../../keys/sources/read-secret.ts';
import { parseEnvFile } from '../../keys/sources/env-file.ts';
import type { CommandConfig } from '../config.ts';
import type { Env } from '../env.ts';

/** What a program needs to find its way about. Everything else of ours stays ours: our environment holds secrets. */
const passedOn = ['HOME', 'LANG', 'LC_ALL', 'LOGNAME', 'PATH', 'SHELL', 'TMPDIR', 'TZ', 'USER'];

/** The whole environment of a command; secrets are read now. Throws where one cannot be had. */
export function commandEnvironment(command: CommandConfig, env: Env): Readonly<Record<string, string>> {
  const made: Record<string, string> = {};
  for (const name of passedOn) {
    const value = env[name];
    if (value !== undefined) made[name] = value;
  }
  if (command.envFile !== null) Object.assign(made, variablesIn(command.envFile));
  Object.assign(made, command.env);
  for (const secret of command.secrets) {
    if ('file' in secret) {
      const reading = readSecretFile(secret.file);
      if (!reading.ok) throw new Error(`the secret ${secret.name}: ${reading.fault}`);
      made[secret.name] = reading.text;
    } else {
      const value = env[secret.variable];
      if (value === undefined) throw new Error(`the secret ${secret.name}: ${secret.variable} is not set`);
      made[secret.name] = value;
    }
  }
  return made;
}

function variablesIn(file: string): Readonly<Record<string, string>> {
  const reading = readSecretFile(file);
  if (!reading.ok) throw new Error(reading.fault);
  const found = parseEnvFile(reading.text);
  if (!found.ok) throw new Error(`line ${found.line} of ${file}: ${found.fault}`);
  return Object.fromEntries(found.values);
}
