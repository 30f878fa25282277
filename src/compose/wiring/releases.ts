export interface Releases {
  add(release: () => void | Promise<void>): void;
  close(): Promise<void>;
}

/** Lets go in the reverse order of taking; once, and of everything even when one fails. */
export function releases(): Releases {
  const held: (() => void | Promise<void>)[] = [];
  return {
    add: (release) => void held.push(release),
    async close() {
      let failed: unknown = null;
      for (let release = held.pop(); release; release = held.pop()) {
        try {
          await release();
        } catch (error) {
          failed ??= error;
        }
      }
      if (failed !== null) throw failed;
    },
  };
}
