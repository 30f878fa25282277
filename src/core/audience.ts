import { messageOf } from './message-of.ts';

/** Who wants to hear of changes. */
export interface Audience<News> {
  readonly size: number;
  /** Returns how to stop. */
  add(listener: (news: News) => void): () => void;
  tell(news: News): void;
  clear(): void;
}

export function audience<News>(): Audience<News> {
  // An entry each, so that one function added twice is heard twice and stopped separately.
  const all = new Set<{ readonly hear: (news: News) => void }>();
  return {
    get size() {
      return all.size;
    },
    add(hear) {
      const entry = { hear };
      all.add(entry);
      return () => void all.delete(entry);
    },
    tell(news) {
      for (const { hear } of all) {
        try {
          hear(news);
        } catch (error) {
          // The change has happened: one listener that fails must neither keep it from the others nor turn it into a failure.
          process.emitWarning(`a listener failed: ${messageOf(error)}`);
        }
      }
    },
    clear: () => all.clear(),
  };
}
