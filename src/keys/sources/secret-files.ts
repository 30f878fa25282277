import { basename, resolve } from 'node:path';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintedFault, pastedWith, unpresentable, weakness } from '../secret-text.ts';
import { fileSource, type Findings } from './file-source.ts';
import type { FileSourceOptions, FoundApiKey, KeyedService, KeySource } from './key-source.ts';
import { readSecretFile } from './read-secret.ts';

export interface SecretFilesOptions extends FileSourceOptions {
  /** Asked at every reading, so that a service that is added finds its file. */
  readonly services: () => readonly KeyedService[];
  /** Files that match no service: 'warn' unless a service that knows only itself looks into a folder of many. */
  readonly others?: 'warn' | 'ignore';
}

/**
 * Shared keys of called services, one a file: <service>_api_key with dashes as underscores, or the service's apiKeyFile,
 * which then replaces the usual name. stack_api_key is accepted everywhere. A file that vanishes takes its key with it, and
 * so does one that becomes empty or readable by others.
 */
export function secretFiles(options: SecretFilesOptions): KeySource {
  return fileSource('files', options, (paths) => {
    const keys: FoundApiKey[] = [];
    const warnings: string[] = [];
    for (const path of paths) readKey(path, options, keys, warnings);
    return { keys, warnings } satisfies Findings;
  });
}

function readKey(path: string, options: SecretFilesOptions, keys: FoundApiKey[], warnings: string[]): void {
  const owner = ownerOf(path, options.services());
  if ('fault' in owner) {
    if (!owner.nobodys || options.others !== 'ignore') warnings.push(`${path}: ${owner.fault}`);
    return;
  }
  const reading = readSecretFile(path);
  if (!reading.ok) {
    // Listed a moment ago and gone now: it vanished, which is no fault of its own.
    if (!reading.missing) warnings.push(reading.fault);
    return;
  }
  if (reading.warning) warnings.push(reading.warning);
  const fault = unpresentable(reading.text) ?? mintedFault(reading.text, 'sk');
  if (fault) {
    warnings.push(`${path}: the key ${fault}, so it is not used`);
    return;
  }
  const weak = weakness(reading.text);
  if (weak) warnings.push(`${path}: the key ${weak}; replace it with one from: openssl rand -hex 32`);
  const pasted = pastedWith(reading.text);
  if (pasted) warnings.push(`${path}: the key ${pasted}`);
  keys.push({ kind: 'sk', credentialId: `file:${basename(path)}`, digest: sha256Hex(reading.text), ...owner });
}

type Owner = Pick<FoundApiKey, 'service' | 'acceptedAt'> | { readonly fault: string; readonly nobodys?: boolean };

function ownerOf(path: string, services: readonly KeyedService[]): Owner {
  const named = services.filter((service) => service.apiKeyFile !== null && resolve(service.apiKeyFile) === path);
  const [first, ...others] = named;
  if (first && others.length === 0) return { service: first.name, acceptedAt: first.name };
  if (first) return { fault: `is the apiKeyFile of ${namesOf(named)}; give each service a key of its own` };

  const name = basename(path);
  if (name === 'stack_api_key') return { service: 'stack', acceptedAt: null };
  const usual = services.filter((service) => `${service.name.replaceAll('-', '_')}_api_key` === name);
  const [match] = usual;
  if (!match)
    return {
      nobodys: true,
      fault: 'matches no service, so it is not used (the usual name is <service>_api_key, dashes as underscores)',
    };
  if (usual.length > 1) return { fault: `could belong to ${namesOf(usual)}, so it is not used; name it by apiKeyFile` };
  if (match.apiKeyFile !== null)
    return { fault: `is not used, since ${match.name} names another apiKeyFile: ${match.apiKeyFile}` };
  return { service: match.name, acceptedAt: match.name };
}

function namesOf(services: readonly KeyedService[]): string {
  return services.map((service) => service.name).join(' and ');
}
