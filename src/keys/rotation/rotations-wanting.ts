import type { KeyRecord, KeyUse } from '../../core/credential.ts';
import { lineageOf } from '../lineage.ts';
import { isDue, type RotationRule } from './rotate-due.ts';
import { agoWords, useWords } from '../use-words.ts';

export interface RotationsWantingOptions {
  readonly records: readonly KeyRecord[];
  readonly uses: readonly KeyUse[];
  readonly now: number;
  readonly ruleOf: (service: string) => RotationRule;
}

/** As long a rotation may take without being thought of as broken off. */
const pendingSeconds = 600;
/** As long a server that runs may take to do what is due. */
const overdueSeconds = 3600;

/** Rotations that somebody must look after, one line each with what to do. */
export function rotationsWanting({ records, uses, now, ruleOf }: RotationsWantingOptions): string[] {
  const lineage = lineageOf(records, now);
  const lastUse = (key: KeyRecord): KeyUse | undefined => uses.find(({ credentialId }) => credentialId === key.id);
  return records.flatMap((key): string[] => {
    const { id, service, createdAt, expiresAt } = key;
    const rule = ruleOf(service);
    const age = agoWords(now - createdAt);
    switch (lineage.stageOf(key)) {
      case 'pending':
        if (now - createdAt < pendingSeconds) return [];
        return [
          lastUse(key)
            ? `key ${id} of ${service}, made ${age} to replace ${key.replaces}, is in use, but the rotation was not finished: countersign keys rotate ${key.replaces} --finish`
            : `key ${id} of ${service} was made ${age} to replace ${key.replaces} and not handed over, as far as is known: countersign keys rotate ${key.replaces} --anew`,
        ];
      case 'current':
        if (rule.everySeconds === null || !isDue(key, rule, now)) return [];
        if (rule.target === null)
          return [`key ${id} of ${service}, made ${age}, is due to be replaced: countersign keys rotate ${id}`];
        if (now - createdAt < rule.everySeconds + overdueSeconds) return [];
        return [`key ${id} of ${service}, made ${age}, is overdue: countersign keys rotate --due says why`];
      case 'previous': {
        const current = lineage.currentFor(key);
        if (current === null || expiresAt !== null || now - current.createdAt < rule.graceSeconds) return [];
        const use = lastUse(key);
        if (use && now - use.lastUsed < rule.graceSeconds)
          return [`old key ${id} of ${service}, replaced by ${current.id}, is still used, ${useWords(use, now)}`];
        if (!lastUse(current) && rule.target !== null)
          return [
            `the new key ${current.id} of ${service} is at ${rule.target.name} since ${agoWords(now - current.createdAt)} and was not seen in use: does ${service} read it?`,
          ];
        return rule.target === null
          ? [`old key ${id} of ${service} was replaced by ${current.id} and has no end: countersign keys retire ${id}`]
          : [];
      }
      default:
        return [];
    }
  });
}
