import type { Store } from '../../core/store.ts';

/** As much of a caller's key as tells for how long it can be shown. */
export interface LastingKey {
  readonly service: string;
  readonly id: string;
  /** Epoch seconds; null for never. */
  readonly expiresAt: number | null;
}

export interface EndingKey extends LastingKey {
  readonly expiresAt: number;
  /** False where its caller has another that lasts, and was seen to use this one all the same. */
  readonly isLast: boolean;
}

export interface EndingKeysQuestion {
  /** Keys of callers that lie elsewhere than in the store. */
  readonly elsewhere: readonly LastingKey[];
  /** As principals: 'service:aidb'. */
  readonly callers: ReadonlySet<string>;
  /** Since when a use tells which of its keys a caller shows, epoch seconds. */
  readonly since: number;
  readonly now: number;
  readonly until: number;
}

/** Rejects when the store cannot be read. */
export async function endingKeys(
  { keys, usage }: Pick<Store, 'keys' | 'usage'>,
  { elsewhere, callers, since, now, until }: EndingKeysQuestion,
): Promise<EndingKey[]> {
  const last = new Map<string, LastingKey>();
  const ending: (LastingKey & { readonly expiresAt: number })[] = [];
  const consider = ({ service, id, expiresAt }: LastingKey): void => {
    if (!callers.has(`service:${service}`) || (expiresAt ?? Infinity) <= now) return;
    if (expiresAt !== null && expiresAt <= until) ending.push({ service, id, expiresAt });
    if ((expiresAt ?? Infinity) > (last.get(service)?.expiresAt ?? (last.has(service) ? Infinity : 0)))
      last.set(service, { service, id, expiresAt });
  };
  for (const key of elsewhere) consider(key);
  for await (const page of keys.pages()) for (const key of page) if (key.revokedAt === null) consider(key);
  const isLast = ({ service, id }: LastingKey): boolean => last.get(service)?.id === id;
  const besides = ending.filter((key) => !isLast(key)).map(({ id }) => id);
  const uses = besides.length === 0 ? [] : await usage.list(besides);
  const used = new Set(uses.filter(({ lastUsed }) => lastUsed >= since).map(({ credentialId }) => credentialId));
  return ending.map((key) => ({ ...key, isLast: isLast(key) })).filter(({ id, isLast: only }) => only || used.has(id));
}
