import { hasCode, tokenKeptSeconds } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import type { Stack } from '../../compose/stack.ts';
import { rounds, type Rounds } from './rounds.ts';

export interface TokenDutiesOptions {
  readonly warn: (text: string) => void;
  /** How long after the start it is looked first; 60,000 ms. */
  readonly firstMillis?: number;
}

const lookMillis = 3_600_000;

/**
 * What a server does about session tokens by itself: forgets those that ended long ago. Each for itself: of several that delete the
 * same, the later finds nothing left.
 */
export function tokenDuties(
  { store, clock }: Pick<Stack, 'store' | 'clock'>,
  { warn, firstMillis = 60_000 }: TokenDutiesOptions,
): Rounds {
  async function look(): Promise<void> {
    try {
      await store.tokens.deleteExpired(clock() - tokenKeptSeconds);
    } catch (error) {
      // The store is away, which is said elsewhere.
      if (!hasCode(error, 'store_unavailable')) warn(`expired tokens could not be removed: ${messageOf(error)}`);
    }
  }

  return rounds(look, lookMillis, firstMillis);
}
