import type { Redis } from 'ioredis';
import type { Change } from '../../core/store.ts';
import { uuid } from '../../crypto/random.ts';
import { listeners, lostSince, resync } from '../listeners.ts';
import { ownChanges, readChange } from '../own-changes.ts';
import { isNotPermitted } from './fault.ts';
import type { ScriptName } from './scripts.ts';
import { listOf, type Server, type Value } from './server.ts';

/** What changed, by pub/sub on a connection of its own. Changes are numbered, so that one that is missing is noticed. */
export interface Feed {
  /** A script that writes and tells: its first value is the mark. Resolves to whether there was anything to tell. */
  write(script: ScriptName, ...values: Value[]): Promise<boolean>;
  watch(listener: (change: Change) => void): () => void;
  /** Resolves when the first attempt to listen has come to an end, whatever it was. */
  started(): Promise<void>;
  /** What keeps changes from being heard although the server answers; for operators. */
  warnings(): readonly string[];
  close(): void;
}

export function feed(server: Server, patienceMillis: number): Feed {
  const watching = listeners();
  let first: Promise<void> | null = null;
  let closed = false;
  let pulse: NodeJS.Timeout | undefined;
  /** The number of the last change heard; null while it is not known where the feed stands. */
  let last: number | null = null;
  let held: string[] = [];
  let forbidden = false;
  /** When it was last certain that no change is missing. */
  let levelAt = performance.now();
  const own = ownChanges({
    instance: uuid(),
    tell: (change) => watching.tell(change),
    running: () => last !== null,
  });

  function start(): Promise<void> {
    return (first ??= new Promise((resolve) => {
      const client = server.connection();
      client.on('message', (_channel, message) => {
        if (last === null) held.push(message);
        else hear(message);
      });
      client.on('ready', () => void listen(client).then(resolve, () => client.disconnect(true)));
      client.on('close', () => {
        lost();
        resolve();
      });
      client.on('end', resolve);
      client.connect().catch(() => {});
    }));
  }

  async function listen(client: Redis): Promise<void> {
    held = [];
    await client.subscribe(server.channel).catch((error: unknown) => {
      forbidden = isNotPermitted(error);
      throw error;
    });
    forbidden = false;
    // On the same connection, so its answer has its place among the changes: all before it are counted in it.
    last = await lastTold(client);
    levelAt = performance.now();
    // Whoever watched before this moment may have missed something; whoever begins now has missed nothing.
    watching.tell(resync);
    for (const message of held) if (Number.parseInt(message, 10) > last) hear(message);
    clearInterval(pulse);
    pulse = setInterval(() => void beat(client).catch(() => client.disconnect(true)), patienceMillis);
    pulse.unref();
  }

  /** Notices a connection that has fallen silent, a change that never arrived, and a server that was emptied. */
  async function beat(client: Redis): Promise<void> {
    const before = last;
    const asked = performance.now();
    const number = await lastTold(client);
    if (last === null || before === null) return;
    if (number >= before && number <= last) {
      levelAt = asked;
      return;
    }
    last = number;
    missed();
  }

  function missed(): void {
    watching.tell(lostSince(levelAt));
    levelAt = performance.now();
    watching.tell(resync);
  }

  function lost(): void {
    if (last !== null && !closed) watching.tell(lostSince(levelAt));
    last = null;
    held = [];
    own.forget();
    clearInterval(pulse);
  }

  function hear(message: string): void {
    const space = message.indexOf(' ');
    const number = Number(message.slice(0, space));
    const gap = number !== (last ?? 0) + 1;
    last = number;
    const told = readChange(message.slice(space + 1));
    if (gap || !told) missed();
    else if (told.change.topic === 'resync') watching.tell(resync);
    else own.heard(told.mark, told.change);
    levelAt = performance.now();
  }

  return {
    async write(script, ...values) {
      const mark = own.mark();
      const told = listOf(await server.run(script, mark, ...values)).flatMap((each) => each ?? []);
      own.wrote(mark, told);
      return told.length > 0;
    },
    watch(listener) {
      void start();
      if (last === null) listener(lostSince(performance.now()));
      return watching.add(listener);
    },
    started: start,
    warnings: () =>
      forbidden
        ? [
            `the user of Redis at ${server.place} may not use the channel ${server.channel}, so nothing is heard of what others revoke, and they hear of what is changed here seconds late; allow it all channels countersign:* (ACL SETUSER … &countersign:*)`,
          ]
        : [],
    close() {
      closed = true;
      lost();
      watching.clear();
    },
  };
}

/** What is no number is the beginning: the next change has the first one then. */
async function lastTold(client: Redis): Promise<number> {
  const number = Number((await client.get('countersign:changes')) ?? 0);
  return Number.isSafeInteger(number) ? number : 0;
}
