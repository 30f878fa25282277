import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '../../../secrets/bundle-file.ts';
import {
  composeFragment,
  composeSecretName,
  readFragment,
  type ComposeKey,
} from '../../../secrets/delivery/compose-fragment.ts';
import { keyFolder, type KeyFolder } from '../../../secrets/delivery/key-folder.ts';
import { keyMark } from '../../../secrets/delivery/key-mark.ts';
import { shellWord } from '../../../core/text/shell-word.ts';
import type { Invocation } from '../../command.ts';
import { deliverFiles, folderOption, rollBack, sayFiles, type DeliveredFile } from './env.ts';
import { keysToDeliver, onlyOption } from './keys.ts';

export async function deployDocker(invocation: Invocation): Promise<number> {
  const path = folderOption(invocation);
  const folder = keyFolder({ path: join(path, 'secrets'), nameOf: composeSecretName, form: 'key' });
  let files: DeliveredFile[];
  if (invocation.flag('rollback')) files = await rollBack(invocation, folder);
  else {
    const keys = await keysToDeliver(invocation, onlyOption(invocation));
    for (const [service, key] of keys) keyMark(service, key);
    files = await deliverFiles(invocation, folder, keys);
  }
  if (!invocation.dryRun) await writeFragment(invocation, join(path, 'compose.secrets.yaml'), folder, files);
  return sayFiles(invocation, files);
}

/** From the files as they are now, so that it is right whatever became of each. */
async function writeFragment(
  invocation: Invocation,
  path: string,
  folder: KeyFolder,
  files: readonly DeliveredFile[],
): Promise<void> {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : null;
  const keys: ComposeKey[] = [];
  for (const { service, file, result } of files) {
    const key = result === 'failed' ? null : await folder.held(service);
    if (key !== null) keys.push({ service, mark: keyMark(service, key), file });
  }
  // What was not asked for, or failed, stays as it was.
  const whole = onlyOption(invocation) === null && keys.length === files.length;
  const text = composeFragment(keys, before === null || whole ? undefined : readFragment(before, path));
  if (keys.length > 0 && text !== before) writeWhole(path, text);
  invocation.out.talk(`Lay it over your own file: docker compose -f compose.yaml -f ${shellWord(path)} up -d`);
}
