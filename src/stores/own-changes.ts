import type { Change } from '../core/store.ts';

type Resync = Extract<Change, { readonly topic: 'resync' }>;
type Told = Exclude<Change, { readonly topic: 'lost' | 'resync' }>;

/**
 * Keeps a feed that also brings our own changes back from telling them twice. A change is told when its write is
 * acknowledged or when the feed brings it, whichever comes first: a write whose answer was lost on the way is still heard of.
 */
export interface OwnChanges {
  /** Names one write among those of all instances; travels with its changes. */
  mark(): string;
  /** The write was acknowledged, and with it came what it changed: `TOPIC ID` each. */
  wrote(mark: string, told: readonly string[]): void;
  /** The feed brought a change with the mark of its write. */
  heard(mark: string, change: Told): void;
  /** What the feed was to bring may be lost: it was interrupted. */
  forget(): void;
}

export interface OwnChangesOptions {
  /** Different for every instance on the same store; without spaces and dots. */
  readonly instance: string;
  readonly tell: (change: Change) => void;
  /** Whether the feed runs, and so will bring what was just written. */
  readonly running: () => boolean;
}

export function ownChanges({ instance, tell, running }: OwnChangesOptions): OwnChanges {
  /** Told already when the write was acknowledged, and when the feed brought it. */
  const toldAtWrite = new Set<string>();
  const toldByFeed = new Set<string>();
  let writes = 0;
  return {
    mark: () => `${instance}.${(writes += 1)}`,
    wrote(mark, told) {
      for (const each of told) {
        const change = readChange(`${mark} ${each}`)?.change;
        if (change === undefined || change.topic === 'resync') continue;
        const name = nameOf(mark, change);
        if (toldByFeed.delete(name)) continue;
        if (running()) toldAtWrite.add(name);
        tell(change);
      }
    },
    heard(mark, change) {
      const name = nameOf(mark, change);
      if (toldAtWrite.delete(name)) return;
      if (mark.startsWith(`${instance}.`)) toldByFeed.add(name);
      tell(change);
    },
    forget() {
      toldAtWrite.clear();
      toldByFeed.clear();
    },
  };
}

function nameOf(mark: string, { topic, id }: Told): string {
  return `${mark} ${topic} ${id}`;
}

const topics: readonly string[] = ['keys', 'tokens', 'revocations', 'modes', 'records'];

/** Reads `MARK TOPIC ID`, where the id may hold spaces. Null for what is no change of ours. */
export function readChange(text: string): { readonly mark: string; readonly change: Told | Resync } | null {
  const [, mark, topic, id] = /^(\S+) (\S+) (.*)$/s.exec(text) ?? [];
  if (mark === undefined || topic === undefined || id === undefined) return null;
  if (topic === 'resync') return { mark, change: { topic, id: '' } };
  return topics.includes(topic) ? { mark, change: { topic, id } as Told } : null;
}
