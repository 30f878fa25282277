import type { CommandConfig } from '../config.ts';

/** True for a variable whose value is a secret by what it is called. */
export function isSecretName(name: string): boolean {
  return /key|token|secret|passw|credential|auth/i.test(name);
}

/** The variables in the environment of a command whose values nobody is to read in a log. */
export function secretNames({ secrets }: CommandConfig, environment: Readonly<Record<string, string>>): string[] {
  return [...secrets.map(({ name }) => name), ...Object.keys(environment).filter(isSecretName)];
}
