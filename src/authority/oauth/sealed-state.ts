import type { JsonValue } from '../../core/record.ts';
import { SealError, type Seal } from '../../crypto/seal.ts';

/** Keeps what names something that can be presented, so that the store alone tells nobody. */
export interface SealedState {
  close(kind: string, id: string, text: string): string;
  /** Null for what is not sealed, or not by this stack: it ends within the hour, and whoever began it begins anew. */
  open(kind: string, id: string, sealed: JsonValue | undefined): string | null;
}

/**
 * A device's code holds the code that a person types, and a question that waits for an answer the device's code, the session's
 * cookie and the address of a pushed request.
 */
export const sealedModels: ReadonlySet<string> = new Set(['DeviceCode', 'Interaction']);

export function sealedState(seal: Seal): SealedState {
  const context = (kind: string, id: string) => ({ id, service: 'oauth', kind });
  return {
    close: (kind, id, text) => seal.seal(text, context(kind, id)),
    open(kind, id, sealed) {
      if (typeof sealed !== 'string') return null;
      try {
        return seal.open(sealed, context(kind, id));
      } catch (error) {
        if (error instanceof SealError) return null;
        throw error;
      }
    },
  };
}
