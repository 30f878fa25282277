import type { Clock } from '../../core/clock.ts';
import type { KeyRecord } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import type { Seal } from '../../crypto/seal.ts';
import { lineageOf, type Lineage } from '../lineage.ts';
import { rotateInto, type RotationStep } from './rotate-into.ts';
import { standingOf, type KeyTarget } from '../targets/index.ts';

/** How the keys of one caller are rotated. */
export interface RotationRule {
  /** Age at which a key is due; null for never. */
  readonly everySeconds: number | null;
  /** How long an old key must have been unused before it is ended by itself. */
  readonly graceSeconds: number;
  /** Where the caller reads its key; null when nobody says. */
  readonly target: KeyTarget | null;
}

export interface RotateDueOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly ruleOf: (service: string) => RotationRule;
  /** See rotateInto. */
  readonly settleMillis: number;
  /** Asked before each change; false: another one does the work now. */
  readonly mayGoOn: () => Promise<boolean>;
  /** How long a pending key is left to whoever made it, where it is not at its target; 60 s. */
  readonly pendingSeconds?: number;
  readonly onStep?: (step: RotationStep, record: KeyRecord) => void | Promise<void>;
}

export type Duty =
  /** The key was replaced, by `by`, and is at its target. */
  | { readonly kind: 'rotated'; readonly key: KeyRecord; readonly by: KeyRecord }
  /** Replaced, and unused for its grace: it is ended. */
  | { readonly kind: 'retired'; readonly key: KeyRecord }
  /** Nobody says where its successor would go: somebody must rotate it. */
  | { readonly kind: 'due'; readonly key: KeyRecord }
  | { readonly kind: 'failed'; readonly key: KeyRecord; readonly why: string };

/** A key that is about to end is due whatever its age. */
const leadSeconds = 14 * 86_400;

/**
 * Does what is due: replaces keys of the age that their rule says, takes up rotations that were broken off, and ends old keys.
 * An old key is ended only when its successor has been used and it has itself been unused for the grace: no caller that was
 * forgotten is shut out. One key that fails does not keep the others waiting.
 */
export async function rotateDue(options: RotateDueOptions): Promise<Duty[]> {
  const { store, clock, ruleOf } = options;
  const all = await store.keys.list();
  const lineage = lineageOf(all, clock());
  const byService = Map.groupBy(all, ({ service }) => service);
  const duties: Duty[] = [];
  for (const key of all) {
    const rule = ruleOf(key.service);
    const stage = rule.everySeconds === null ? null : lineage.stageOf(key);
    if (stage !== 'current' && stage !== 'previous') continue;
    const work: Work = { ...options, key, rule, lineage, records: byService.get(key.service) ?? [] };
    try {
      const duty = await (stage === 'current' ? replace(work) : retire(work));
      if (duty) duties.push(duty);
    } catch (error) {
      duties.push({ kind: 'failed', key, why: messageOf(error) });
    }
  }
  return duties;
}

interface Work extends RotateDueOptions {
  readonly key: KeyRecord;
  readonly rule: RotationRule;
  readonly lineage: Lineage;
  /** Of the same caller. */
  readonly records: readonly KeyRecord[];
}

async function replace(work: Work): Promise<Duty | null> {
  const { key, rule, lineage, clock, mayGoOn, pendingSeconds = 60 } = work;
  const { target } = rule;
  const due = isDue(key, rule, clock());
  const pending = lineage.pendingFor(key);
  if (!due && pending === null && lineage.previousOf(key).length === 0) return null;
  if (target === null) return due && pending === null ? { kind: 'due', key } : null;
  const standing = await standingOf(target, key, lineage, work.records);
  const fresh = pending !== null && clock() - pending.createdAt < pendingSeconds;
  // Who made it a moment ago may be about to hand it over.
  if (fresh && standing !== 'pending') return null;
  const begun = pending !== null || standing === 'previous';
  if (!begun && !due) return null;
  // One place cannot hold two keys, and which of them its caller reads there nobody says.
  if (standing === 'taken' || (standing === 'free' && !isOnly(key, work))) return due ? { kind: 'due', key } : null;
  if (!(await mayGoOn())) return null;
  return { kind: 'rotated', key, by: await rotateInto(key, { ...work, target, graceSeconds: null }) };
}

function isOnly(key: KeyRecord, { lineage, records }: Work): boolean {
  return records.every((one) => one.id === key.id || lineage.stageOf(one) !== 'current');
}

export function isDue(key: KeyRecord, { everySeconds }: Pick<RotationRule, 'everySeconds'>, now: number): boolean {
  const { createdAt, expiresAt } = key;
  if (everySeconds !== null && now - createdAt >= everySeconds) return true;
  // Of a short life only the last quarter, or it would be due from its first day.
  return expiresAt !== null && expiresAt - now <= Math.min(leadSeconds, (expiresAt - createdAt) / 4);
}

async function retire(work: Work): Promise<Duty | null> {
  const { key, lineage, store, clock, mayGoOn } = work;
  const { graceSeconds, target } = work.rule;
  const current = lineage.currentFor(key);
  const now = clock();
  // Where keys are handed over by hand, the end that was given by hand counts.
  if (target === null || current === null || now - current.createdAt < graceSeconds) return null;
  const uses = await store.usage.list([key.id, current.id]);
  const inUse = (id: string, seconds: number): boolean =>
    uses.some(({ credentialId, lastUsed }) => credentialId === id && now - lastUsed < seconds);
  if (!inUse(current.id, Infinity) || inUse(key.id, graceSeconds) || !(await mayGoOn())) return null;
  await store.keys.revoke(key.id, now);
  return { kind: 'retired', key };
}

/** For people, without a secret. */
export function dutyWords(duty: Duty): string {
  const { id, service } = duty.key;
  switch (duty.kind) {
    case 'rotated':
      return `key ${id} of ${service} was replaced by ${duty.by.id}, which is where ${service} reads it`;
    case 'retired':
      return `key ${id} of ${service} was replaced and is out of use: it is ended`;
    case 'due':
      return `key ${id} of ${service} is due to be replaced, and nothing says where its successor goes: countersign keys rotate ${id}`;
    case 'failed':
      return `key ${id} of ${service} cannot be replaced: ${duty.why}`;
  }
}
