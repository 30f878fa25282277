/** What is shown line by line, by number. */
export interface Tailed<Row extends { readonly sequence: number }> {
  /** By number: the newest, or with `after` the first behind it. */
  list(page: { readonly limit: number; readonly after?: number }): Promise<Row[]>;
  /** The number of one of the newest, whether it is to be shown or not; 0 for none. */
  newest(): Promise<number>;
  show(row: Row): void;
}

export interface TailOptions {
  readonly limit: number;
  readonly following: boolean;
  /** Ends the following. */
  readonly signal: AbortSignal;
  /** True when nobody reads any more. */
  readonly isGone: () => boolean;
  readonly pollMillis?: number;
}

const batch = 500;

/** Resolves to how many were shown. Rows come in batches, so a poll loses nothing and costs little. */
export async function tailed<Row extends { readonly sequence: number }>(
  { list, newest, show }: Tailed<Row>,
  { limit, following, signal, isGone, pollMillis = 250 }: TailOptions,
): Promise<number> {
  // Asked before the rows: what comes between the two is listed then, and nothing is looked through twice.
  let after = following ? await newest() : 0;
  let rows = await list({ limit });
  let shown = rows.length;
  after = Math.max(after, rows.at(-1)?.sequence ?? 0);
  for (;;) {
    for (const row of rows) show(row);
    if (!following) return shown;
    if (rows.length < batch) await pause(pollMillis, signal);
    if (signal.aborted || isGone()) return shown;
    const known = await newest();
    rows = await list({ after, limit: batch });
    shown += rows.length;
    after = Math.max(after, rows.at(-1)?.sequence ?? 0, rows.length < batch ? known : 0);
  }
}

function pause(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, millis);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
