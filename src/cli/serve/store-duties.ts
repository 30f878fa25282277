import type { Stack } from '../../compose/stack.ts';
import { rounds, type Rounds } from './rounds.ts';

export interface StoreDutiesOptions {
  readonly warn: (text: string) => void;
  /** How often the store is asked; 60,000 ms. */
  readonly everyMillis?: number;
}

/**
 * What a server does about its store by itself: tells of what endangers it from some time on, as it told at its start of what did
 * then. Each thing once, until it has been gone.
 */
export function storeDuties(
  { store }: Pick<Stack, 'store'>,
  { warn, everyMillis = 60_000 }: StoreDutiesOptions,
): Rounds {
  /** Null before the first round, by which is known what was told at the start. */
  let told: ReadonlySet<string> | null = null;

  async function look(): Promise<void> {
    try {
      const texts = await store.warnings();
      for (const text of texts) if (told !== null && !told.has(kindOf(text))) warn(text);
      told = new Set(texts.map(kindOf));
    } catch {
      // The store is away, which is said elsewhere.
    }
  }

  return rounds(look, everyMillis, 0);
}

/** The same is not said anew because a number in it has changed. */
function kindOf(text: string): string {
  return text.replaceAll(/\d+/g, '');
}
