import type { Mode, ModeSource } from '../core/mode.ts';

/**
 * The most specific level wins (route, service, stack); at each level what was set at run time wins over the environment
 * (stack only), and that over the file.
 */
export interface Modes extends ModeSource {
  /** Every level that says something, for people: where it was set and what it comes to. */
  describe(): ModeLine[];
  /** Scope: '' the stack, 'embeddings', 'embeddings/embed'. Rejects with a plain message when it names nothing known. */
  set(scope: string, mode: Mode, by: string): Promise<void>;
  /** Clears every level and sets the stack, over whatever the file says. */
  setAll(mode: Mode, by: string): Promise<void>;
  /** Back to what the environment and the file say. */
  clear(scope: string | null): Promise<void>;
  close(): void;
}

export interface ModeLine {
  readonly scope: string;
  readonly mode: Mode;
  readonly source: 'run-time' | 'run-time, all levels' | 'environment' | 'file' | 'default';
  readonly setBy: string | null;
  readonly setAt: number | null;
}
