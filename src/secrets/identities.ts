import { homedir } from 'node:os';
import { join } from 'node:path';
import { readSecretFile } from '../keys/sources/read-secret.ts';
import { recipientOf } from './age.ts';
import { SecretsError } from './secrets-error.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface Identities {
  readonly identities: readonly string[];
  /** What was passed over, and why. */
  readonly warnings: readonly string[];
}

/** Where the age key lies: $SOPS_AGE_KEY_FILE, else where the sops program looks for it. */
export function keyFileOf(env: Env): string {
  const home = env['HOME'] || homedir();
  return env['SOPS_AGE_KEY_FILE'] || join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'sops/age/keys.txt');
}

/**
 * All that the sops program would use of SOPS_AGE_KEY, SOPS_AGE_KEY_FILE and its usual file. A key file that others can read is
 * refused, as every secret file is. Throws when there is no identity at all.
 */
export async function readIdentities(env: Env): Promise<Identities> {
  const identities: string[] = [];
  const places: string[] = [];
  const warnings: string[] = [];
  const inline = env['SOPS_AGE_KEY'];
  if (inline) {
    identities.push(...(await identitiesIn(inline, 'SOPS_AGE_KEY', warnings)));
    places.push('SOPS_AGE_KEY');
  }
  const file = keyFileOf(env);
  const reading = readSecretFile(file);
  if (reading.ok) {
    if (reading.warning !== null) warnings.push(reading.warning);
    identities.push(...(await identitiesIn(reading.text, file, warnings)));
    places.push(file);
  } else if (!reading.missing || (env['SOPS_AGE_KEY_FILE'] && !inline)) {
    throw new SecretsError('key_file', `the age key cannot be used: ${reading.fault}`);
  }
  if (identities.length === 0) {
    const why =
      places.length === 0 ? `neither SOPS_AGE_KEY nor ${file} is there` : `there is none in ${places.join(' or ')}`;
    throw new SecretsError('key_file', `no age key to open it with: ${why}`);
  }
  return { identities, warnings };
}

/** One on each line; comments and kinds that we cannot use are passed over, the latter with a word. */
export async function identitiesIn(text: string, place: string, warnings: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const identity = line.trim();
    if (identity === '' || identity.startsWith('#')) continue;
    const recipient = await recipientOf(identity).catch(() => null);
    if (recipient === null) warnings.push(`${place}, line ${index + 1}: not an age key that can be used here`);
    else found.push(identity);
  }
  return found;
}
