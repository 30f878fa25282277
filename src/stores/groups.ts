import type { DecisionGroup } from '../core/rollup.ts';
import type { DecisionRow } from '../core/store.ts';

/** A group over some of the rows, or over one. */
export interface GroupPart extends DecisionGroup {
  /** Of the row that the request id is from. */
  readonly lastSequence: number;
}

/** The principal, else the claimed caller with a question mark behind it, else ''. */
export function callerOf({ principal, claimed }: Pick<DecisionRow, 'principal' | 'claimed'>): string {
  if (principal !== '') return principal;
  return claimed === '' ? '' : `${claimed}?`;
}

export interface GroupMerger {
  add(part: GroupPart): void;
  /** The most frequent first, among equals the one seen last. */
  groups(): DecisionGroup[];
}

/** Puts parts of the same group together; they may be added in any order. */
export function groupMerger(): GroupMerger {
  const merged = new Map<string, GroupPart>();
  return {
    add(part) {
      const { service, route, mode, outcome, reason, caller, clientAddress } = part;
      const key = JSON.stringify([service, route, mode, outcome, reason, caller, clientAddress]);
      const group = merged.get(key);
      if (!group) {
        merged.set(key, part);
        return;
      }
      merged.set(key, {
        ...(part.lastSequence > group.lastSequence ? part : group),
        count: group.count + part.count,
        firstSeen: Math.min(group.firstSeen, part.firstSeen),
        lastSeen: Math.max(group.lastSeen, part.lastSeen),
      });
    },
    groups: () =>
      [...merged.values()]
        .sort((a, b) => b.count - a.count || b.lastSeen - a.lastSeen)
        .map(({ lastSequence: _lastSequence, ...group }) => group),
  };
}
