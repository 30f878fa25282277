import { basename } from 'node:path';
import { sha256Hex } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { mintedFault, unpresentable, weakness } from '../secret-text.ts';
import { serviceIdFault } from '../service-id.ts';
import { parseEnvFile } from './env-file.ts';
import { fileSource } from './file-source.ts';
import type { FileSourceOptions, FoundMacKey, KeySource } from './key-source.ts';
import { readSecretFile } from './read-secret.ts';

/**
 * HMAC secrets of callers, one .env file each: SERVICE_KEY is the secret, as written; SERVICE_ID the service, or else the
 * file's base name. What is wrong with a file is a warning, and no key is taken from it.
 */
export function envFiles(options: FileSourceOptions): KeySource {
  return fileSource('envFiles', options, (paths) => {
    const keys: FoundMacKey[] = [];
    const warnings: string[] = [];
    for (const path of paths) readKey(path, keys, warnings);
    return { keys, warnings };
  });
}

function readKey(path: string, keys: FoundMacKey[], warnings: string[]): void {
  const reading = readSecretFile(path);
  if (!reading.ok) {
    if (!reading.missing) warnings.push(reading.fault);
    return;
  }
  if (reading.warning) warnings.push(reading.warning);
  const parsed = parseEnvFile(reading.text);
  if (!parsed.ok) {
    warnings.push(`${path}:${parsed.line}: ${parsed.fault}, so no key is taken from it`);
    return;
  }
  const service = parsed.values.get('SERVICE_ID') || basename(path).replace(/\.env$/, '');
  const secret = parsed.values.get('SERVICE_KEY');
  // The key first: a file without one is most often a file of settings, and what its name would prove is beside the point.
  const fault = secretFault(secret) ?? nameFault(parsed.values.get('SERVICE_ID'), service);
  if (fault || secret === undefined) {
    warnings.push(`${path}: ${fault ?? ''}, so no key is taken from it`);
    return;
  }
  const weak = weakness(secret);
  if (weak) warnings.push(`${path}: SERVICE_KEY ${weak}; replace it with one from: openssl rand -hex 32`);
  const credentialId = `env:${basename(path)}`;
  keys.push({ kind: 'hs', credentialId, digest: sha256Hex(secret), service, key: hmacSha256(Buffer.from(secret)) });
}

function secretFault(secret: string | undefined): string | null {
  if (secret === undefined)
    return 'has no SERVICE_KEY=: such a file holds the HMAC secret of one caller; an API key that is in use already is taken over by countersign keys import NAME --kind sk';
  const fault = unpresentable(secret) ?? mintedFault(secret, 'hs');
  return fault && `SERVICE_KEY ${fault}`;
}

function nameFault(written: string | undefined, service: string): string | null {
  const fault = serviceIdFault(service);
  if (fault === null) return null;
  return written
    ? `SERVICE_ID: ${fault}`
    : `write SERVICE_ID= into it, for the file is not named for a service: ${fault}`;
}
