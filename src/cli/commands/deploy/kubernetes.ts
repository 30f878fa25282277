import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../core/clock.ts';
import { recipientFault } from '../../../secrets/age.ts';
import { writeWhole } from '../../../secrets/bundle-file.ts';
import { creationRuleFor } from '../../../secrets/creation-rules.ts';
import { keyMark } from '../../../secrets/delivery/key-mark.ts';
import {
  checkManifestName,
  component,
  isSealedFor,
  patchFile,
  sealedManifest,
  secretFile,
  secretManifest,
  servicesOfComponent,
  workloadPatch,
  type KeyManifest,
} from '../../../secrets/delivery/manifests.ts';
import type { Invocation } from '../../command.ts';
import { refused } from '../../failure.ts';
import { folderOption, sayFiles, type DeliveredFile } from './env.ts';
import { keysToDeliver, onlyOption } from './keys.ts';
import { shellWord } from '../../../core/text/shell-word.ts';

export async function deployKubernetes(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const folder = folderOption(invocation);
  const namespace = invocation.text('namespace');
  if (namespace !== null) checkManifestName('namespace', namespace);
  const only = onlyOption(invocation);
  const keys = await keysToDeliver(invocation, only);
  const all = [...keys].map(([service, key]): KeyManifest => {
    checkManifestName('service', service);
    return { service, key, mark: keyMark(service, key), namespace };
  });
  const recipients = invocation.flag('sops') ? recipientsFor(folder) : null;
  if (!dryRun) mkdirSync(folder, { recursive: true });
  const files: DeliveredFile[] = [];
  for (const one of all) {
    const file = join(folder, secretFile(one.service));
    const result = await writeSecret(file, one, recipients, dryRun);
    if (!dryRun) writeIfOther(join(folder, patchFile(one.service)), workloadPatch(one));
    files.push({ service: one.service, file, result });
  }
  if (!dryRun) writeComponent(join(folder, 'kustomization.yaml'), [...keys.keys()], only !== null);
  if (recipients === null)
    out.warn(
      'these manifests hold the keys in the clear: apply them, and keep them out of git; for git there is --sops',
    );
  return sayFiles(invocation, files);
}

async function writeSecret(
  file: string,
  one: KeyManifest,
  recipients: readonly string[] | null,
  dryRun: boolean,
): Promise<DeliveredFile['result']> {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : null;
  if (before !== null && recipients !== null && isSealedFor(before, one, recipients)) return 'unchanged';
  const text = recipients === null ? secretManifest(one) : await sealedManifest(one, recipients, systemClock());
  if (before !== null && recipients === null) {
    if ((statSync(file).mode & 0o077) !== 0)
      throw refused(
        `${file} can be read by others, and a key in the clear would come into it`,
        `Run: chmod 600 ${shellWord(file)}`,
      );
    if (before === text) return 'unchanged';
  }
  if (!dryRun) writeWhole(file, text, recipients === null ? 0o600 : 0o644);
  return before === null ? 'created' : 'changed';
}

function writeIfOther(file: string, text: string): void {
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeWhole(file, text);
}

/** `among`: others that are there already stay. */
function writeComponent(file: string, services: readonly string[], among: boolean): void {
  const before = among && existsSync(file) ? servicesOfComponent(readFileSync(file, 'utf8')) : [];
  writeIfOther(file, component([...new Set([...before, ...services])].sort()));
}

/** Whom `.sops.yaml` names for these files. */
function recipientsFor(folder: string): readonly string[] {
  const rule = creationRuleFor(join(folder, secretFile('service')));
  const recipients = rule?.recipients ?? null;
  if (recipients === null)
    throw refused(
      `no .sops.yaml in ${folder} or above it in its git repository says for whose age keys alone these manifests are to be encrypted`,
      `Write one: creation_rules: [{ path_regex: '-key\\.yaml$', encrypted_regex: '^(data|stringData)$', age: age1… }]`,
    );
  for (const recipient of recipients) {
    const fault = recipientFault(recipient);
    if (fault !== null) throw refused(`${recipient} in ${rule?.file}: ${fault}`);
  }
  return recipients;
}
