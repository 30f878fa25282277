import { resolve } from 'node:path';
import { systemClock } from '../../../core/clock.ts';
import type { KeyRecord } from '../../../core/credential.ts';
import { isAlive } from '../../../keys/lineage.ts';
import { isSecretOf } from '../../../keys/targets/index.ts';
import { keyFolder, type Delivered, type KeyFolder } from '../../../secrets/delivery/key-folder.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, explain, refused, usage } from '../../failure.ts';
import { columns } from '../../output.ts';
import { atWork } from '../../workplace.ts';
import { keysToDeliver, onlyOption } from './keys.ts';
import { shellWord } from '../../../core/text/shell-word.ts';

export type FileResult = Delivered | 'restored' | 'failed';

export interface DeliveredFile {
  readonly service: string;
  readonly file: string;
  readonly result: FileResult;
}

export async function deployEnv(invocation: Invocation): Promise<number> {
  const folder = keyFolder({ path: folderOption(invocation), nameOf: (service) => `${service}.env`, form: 'env' });
  if (invocation.flag('rollback')) return sayFiles(invocation, await rollBack(invocation, folder));
  const keys = await keysToDeliver(invocation, onlyOption(invocation));
  return sayFiles(invocation, await deliverFiles(invocation, folder, keys));
}

/** Where --to says; absolute. */
export function folderOption(invocation: Invocation): string {
  const to = invocation.text('to');
  if (to === null) throw usage('say where the files go: --to DIR');
  return resolve(to);
}

/** One file that fails does not keep the others waiting. */
export async function deliverFiles(
  invocation: Invocation,
  folder: KeyFolder,
  keys: ReadonlyMap<string, string>,
): Promise<DeliveredFile[]> {
  const files: DeliveredFile[] = [];
  for (const [service, key] of keys) {
    const file = folder.fileOf(service);
    try {
      files.push({ service, file, result: await folder.deliver(service, key, invocation.dryRun) });
    } catch (error) {
      for (const line of explain(error).lines) invocation.out.warn(`${service}: ${line}`);
      files.push({ service, file, result: 'failed' });
    }
  }
  return files;
}

/** Back to keys that still count: one that has been ended would shut its service out. */
export async function rollBack(invocation: Invocation, folder: KeyFolder): Promise<DeliveredFile[]> {
  if (invocation.text('keys') !== null) throw usage('a rollback needs no --keys');
  const only = onlyOption(invocation);
  if (only === null) throw usage('say whose file is to be put back: --rollback --only SERVICE');
  const records = await atWork(invocation, ({ store }) => store.keys.list());
  const now = systemClock();
  const found: DeliveredFile[] = [];
  for (const service of only) {
    const former = await folder.former(service);
    if (former === null) throw refused(`${folder.fileOf(service)} has no former content to be put back`);
    const record = records.find((one) => isSecretOf(former, one));
    if (record && !isAlive(record, now))
      throw refused(
        `${folder.fileOf(service)} stays: the key that it held before, ${record.id}, ${endedWords(record)}`,
        `Make another: countersign keys rotate ${service} --to ${shellWord(folder.fileOf(service))}`,
      );
    found.push({ service, file: folder.fileOf(service), result: 'restored' });
  }
  if (!invocation.dryRun) for (const { service } of found) folder.restore(service);
  return found;
}

function endedWords({ revokedAt }: KeyRecord): string {
  return revokedAt === null ? 'has expired' : 'was revoked';
}

export function sayFiles(invocation: Invocation, files: readonly DeliveredFile[]): number {
  const { out, dryRun } = invocation;
  const failed = files.some(({ result }) => result === 'failed');
  if (invocation.json) out.json({ dry_run: dryRun, done: !failed, files });
  else {
    const would = (result: FileResult): string => (dryRun && result !== 'failed' ? `${result} (dry run)` : result);
    const rows = files.map(({ service, file, result }) => [service, would(result), file]);
    for (const line of columns(['SERVICE', 'RESULT', 'FILE'], rows, out)) out.line(line);
    if (!dryRun && files.some(({ result }) => result === 'changed' || result === 'restored'))
      out.talk('Whoever reads such a file at its start only is to be restarted now.');
  }
  return failed ? EXIT.refused : EXIT.done;
}
