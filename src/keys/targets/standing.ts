import type { KeyRecord } from '../../core/credential.ts';
import type { Lineage } from '../lineage.ts';
import { isSecretOf, type KeyTarget } from './key-target.ts';

/**
 * What a target has to do with a key: it holds the key itself, the one that waits to take its place, or one whose place it took.
 * free: it holds nothing, or nothing that is known. taken: it holds another living key, which must not be written over.
 */
export type Standing = 'current' | 'pending' | 'previous' | 'free' | 'taken';

/** `records`: all keys of the caller. */
export async function standingOf(
  target: KeyTarget,
  key: KeyRecord,
  lineage: Lineage,
  records: readonly KeyRecord[],
): Promise<Standing> {
  const text = await target.held();
  if (text === null) return 'free';
  const pending = lineage.pendingFor(key);
  if (pending && isSecretOf(text, pending)) return 'pending';
  if (isSecretOf(text, key)) return 'current';
  if (lineage.previousOf(key).some((before) => isSecretOf(text, before))) return 'previous';
  const other = records.find((record) => isSecretOf(text, record));
  return other && lineage.stageOf(other) !== null ? 'taken' : 'free';
}
