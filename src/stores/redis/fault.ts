import { StoreError } from '../../core/store.ts';

const readOnly = 'is read only; name the primary';
const fewRights = 'does not allow the user to do this; allow it all commands on the keys and channels countersign:*';
const aCluster = 'is a cluster, which cannot be used; name a single server, with replicas if you like';

/** The first word of what Redis answers with, in an operator's words. */
const WORDS: Readonly<Record<string, string>> = {
  WRONGPASS: 'refuses the user or the password; check both in the URL',
  NOAUTH: 'wants a password; write it into the URL',
  NOPERM: fewRights,
  OOM: 'is full (maxmemory); give it more memory',
  LOADING: 'is reading its data back and not ready yet',
  READONLY: readOnly,
  MISCONF: 'cannot save to its disk and takes no writes; make room',
  BUSY: 'is busy with the script of somebody else',
  MASTERDOWN: 'has lost its primary',
  CLUSTERDOWN: aCluster,
  MOVED: aCluster,
  ASK: aCluster,
  CROSSSLOT: aCluster,
  WRONGTYPE:
    'holds something of another type under a name of ours: another program wrote it; docs/stores.md has the types',
};

/** What begins with no more than ERR, by what is behind it. */
const ERRORS: readonly (readonly [message: RegExp, words: string])[] = [
  // Of what a script does: the commands, keys and channels in it.
  [/^ERR The user executing the script can't /, fewRights],
  [/^ERR Script attempted to access .* in a cluster/, aCluster],
  [
    /^ERR unknown command/,
    'lacks a command that is needed: it is a Sentinel, where the primary itself is to be named, older than Redis 6.2, or has commands renamed',
  ],
];

/**
 * Whatever was thrown while asking the server, as a StoreError; misuse (a TypeError) stays what it is. What ioredis throws
 * holds the command with its values, so nothing of it is passed on but its first word or code. `why` is the last fault of
 * the connection; `place` is host, port and number.
 */
export function storeFault(error: unknown, place: string, why: string | null): unknown {
  if (!(error instanceof Error) || error instanceof StoreError || error instanceof TypeError) return error;
  const unavailable = (words: string): StoreError => new StoreError('store_unavailable', `Redis at ${place} ${words}`);
  if (error.name === 'ReplyError') {
    // Our own scripts say so: a name of ours, and a type.
    const [, key, type] = /^ODDKEY (\S+) (\w+)$/.exec(error.message) ?? [];
    if (key !== undefined)
      return unavailable(
        `holds a ${type} under ${key}, where something of another type belongs: another program or another version of countersign wrote it; rename or delete it`,
      );
    const word = codeOf(error);
    const words = ERRORS.find(([message]) => message.test(error.message))?.[1] ?? WORDS[word];
    return unavailable(`${words ?? 'cannot do what was asked'} (Redis: ${word})`);
  }
  if (error.message === 'Command timed out') return unavailable('does not answer in time');
  return unavailable(`cannot be reached (${why ?? 'the connection is closed'})`);
}

/** The user lacks the right to what was asked. */
export function isNotPermitted(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && codeOf(error) === 'NOPERM';
}

/** What any write would answer. */
export function readOnlyFault(place: string): StoreError {
  return new StoreError('store_unavailable', `Redis at ${place} ${readOnly}`, { readOnly: true });
}

/** The server has no database of the number, or does not let us have it. */
export function isOfSelect(error: Error): boolean {
  return 'command' in error && (error.command as { name?: string } | undefined)?.name === 'select';
}

export function codeOf(error: Error): string {
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  return 'code' in error && typeof error.code === 'string' ? error.code : 'the connection broke';
}
