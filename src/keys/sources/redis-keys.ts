import type { Redis } from 'ioredis';
import { systemClock } from '../../core/clock.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { connectRedis, redisPlace, serviceKeyPrefix, type RedisConnection } from '../redis-connection.ts';
import { mintedFault, unpresentable, weakness } from '../secret-text.ts';
import { serviceIdFault } from '../service-id.ts';
import type { FoundMacKey, KeySource } from './key-source.ts';

export interface RedisKeysOptions {
  /** redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// for TLS. */
  readonly url: string;
  /** Told once of each new warning. */
  readonly onWarning: (text: string) => void;
  /** How often to look whether the server still tells of changes, and to look again while it does not; 5,000 ms. */
  readonly pollMillis?: number;
  /** How long a connection, and then again an answer, may take, milliseconds; 2,500. */
  readonly patienceMillis?: number;
}

interface Reading {
  readonly key: FoundMacKey | null;
  readonly warnings: readonly string[];
}

const keysMax = 10_000;
const batch = 500;
/** While the server tells of every change, all is read anew only so often, in looks: it means a scan of the whole database. */
const looksBetweenScans = 60;
const endsSoonDays = 7;

/**
 * The HMAC secrets that deployed services keep in Redis: strings `service:key:<id>`, as they are written there. Redis tells of
 * each that is set, deleted or expired (client-side caching, by prefix), so that it counts at once. While Redis is away what was
 * read last stays in use; until it was read for the first time, nobody can be called unknown.
 */
export function redisKeys(options: RedisKeysOptions): KeySource {
  const { url, onWarning, pollMillis = 5000, patienceMillis = 2500 } = options;
  const name = `redis ${redisPlace(url)}`;
  const readings = new Map<string, Reading>();
  let ofServer: readonly string[] = [];
  let trouble: string | null = 'has not been read yet';
  let unread = true;
  let keys: readonly FoundMacKey[] = [];
  let warnings: readonly string[] = [];
  let changed: () => void = () => undefined;

  let state: 'new' | 'started' | 'closed' = 'new';
  let reader: RedisConnection | null = null;
  let listener: Redis | null = null;
  let listening = false;
  let timer: NodeJS.Timeout | undefined;
  let looks = 0;
  /** Names that must be read anew, or everything. */
  let everything = false;
  const wanted = new Set<string>();
  let working = false;

  const closed = (): boolean => state === 'closed';

  async function want(what: string | 'everything'): Promise<void> {
    if (what === 'everything') everything = true;
    else wanted.add(what);
    if (working) return;
    working = true;
    while (everything || wanted.size > 0) if (reader === null || !(await read(reader))) break;
    working = false;
  }

  /** Reads what is wanted. False when it could not. */
  async function read({ client, faultOf }: RedisConnection): Promise<boolean> {
    const names = everything ? null : [...wanted];
    everything = false;
    wanted.clear();
    try {
      if (names === null) await readAll(client);
      else await readSome(client, names);
      trouble = null;
      unread = false;
    } catch (error) {
      // What was to be read is not remembered: the next look reads all.
      everything = true;
      trouble = `${faultOf(error)}; what was read before stays in use`;
    }
    if (reader !== null) take();
    return trouble === null;
  }

  async function readAll(client: Redis): Promise<void> {
    const names = new Set<string>();
    let cursor = '0';
    do {
      const [next, found] = await client.scan(cursor, 'MATCH', `${serviceKeyPrefix}*`, 'COUNT', 1000);
      for (const one of found) names.add(one);
      cursor = next;
    } while (cursor !== '0' && names.size <= keysMax);
    ofServer = await serverWarnings(client);
    if (names.size > keysMax)
      ofServer = [...ofServer, `holds more than ${keysMax} keys ${serviceKeyPrefix}*; the others are not used`];
    for (const known of readings.keys()) if (!names.has(known)) readings.delete(known);
    const all = [...names];
    for (let start = 0; start < all.length; start += batch) await readSome(client, all.slice(start, start + batch));
  }

  async function readSome(client: Redis, names: readonly string[]): Promise<void> {
    const pipeline = client.pipeline();
    for (const one of names) pipeline.get(one).pttl(one);
    const replies = (await pipeline.exec()) ?? [];
    for (const [index, one] of names.entries()) {
      const [fault, secret] = replies[2 * index] ?? [];
      const [, millis] = replies[2 * index + 1] ?? [];
      if (readings.size >= keysMax && !readings.has(one)) continue;
      if (fault && !fault.message.startsWith('WRONGTYPE')) throw fault;
      if (fault) readings.set(one, { key: null, warnings: [`${one} is no string, so no key is taken from it`] });
      else if (typeof secret === 'string') readings.set(one, readingOf(one, secret, Number(millis)));
      else readings.delete(one);
    }
  }

  function take(): void {
    const before = signature(keys, warnings);
    const told = warnings;
    const all = [...readings.values()];
    keys = all.flatMap(({ key }) => key ?? []);
    const faults = [...(trouble === null ? [] : [trouble]), ...ofServer, ...all.flatMap((one) => one.warnings)];
    warnings = faults.map((text) => `${name}: ${text}`);
    for (const text of warnings) if (!told.includes(text)) onWarning(text);
    if (signature(keys, warnings) !== before) changed();
  }

  function listen({ client, faultOf }: RedisConnection): void {
    listener = client;
    client.on('message', (_channel, text: string) => {
      // What was changed at once is told at once, and an empty text when the database was emptied.
      const names = text.split(',');
      const ours = names.every((one) => one.startsWith(serviceKeyPrefix));
      // A read that is under way may be older than this notice.
      for (const what of ours ? names : ['everything']) void want(what);
    });
    client.on('close', () => (listening = false));
    client.on('ready', () => {
      void subscribe(client)
        .then(() => (listening = true))
        .catch((error: unknown) =>
          onWarning(`${name}: does not tell of changes: it ${faultOf(error)}; looked at every ${pollMillis / 1000} s`),
        )
        .then(() => want('everything'));
    });
    client.connect().catch(() => undefined);
  }

  function look(): void {
    looks += 1;
    if (!listening || trouble !== null || looks % looksBetweenScans === 0) void want('everything');
    // A connection that fell silent tells of nothing, and is made anew.
    else void listener?.ping().catch(() => listener?.disconnect(true));
  }

  return {
    name,
    async start(onChange) {
      if (state !== 'new') return;
      state = 'started';
      const [first, second] = await Promise.all([connectRedis(url, patienceMillis), connectRedis(url, patienceMillis)]);
      if (closed()) return;
      reader = first;
      await want('everything');
      if (closed()) return;
      changed = onChange;
      listen(second);
      timer = setInterval(look, pollMillis);
      timer.unref();
    },
    // Every change is heard of; only what could not be read is worth another attempt.
    refresh: async () => {
      if (trouble !== null) await want('everything');
    },
    keys: () => keys,
    warnings: () => warnings,
    unread: () => (unread ? trouble : null),
    close() {
      state = 'closed';
      clearInterval(timer);
      reader?.client.disconnect();
      listener?.disconnect();
      reader = null;
      listener = null;
      changed = () => undefined;
    },
  };
}

/** Of keys below the prefix, on this connection itself: in RESP2 a subscriber is told of what it tracks by REDIRECT. */
async function subscribe(client: Redis): Promise<void> {
  const id = String(await client.client('ID'));
  await client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'BCAST', 'PREFIX', serviceKeyPrefix);
  await client.subscribe('__redis__:invalidate');
}

/** Keys with an end are the first that a full Redis throws away, and theirs have one. */
async function serverWarnings(client: Redis): Promise<string[]> {
  // INFO rather than CONFIG: hosted servers refuse the latter. A user who may only read keys is not told.
  const memory = await client.info('memory').catch(() => '');
  const policy = /^maxmemory_policy:(\S+)/m.exec(memory)?.[1] ?? 'noeviction';
  if (policy === 'noeviction') return [];
  return [
    `has maxmemory-policy ${policy}: when its memory is full it throws service keys away; set maxmemory-policy noeviction`,
  ];
}

function readingOf(name: string, secret: string, millisLeft: number): Reading {
  const service = name.slice(serviceKeyPrefix.length);
  const fault = serviceIdFault(service) ?? unpresentable(secret) ?? mintedFault(secret, 'hs');
  if (fault !== null)
    return { key: null, warnings: [`${printableName(service)}: ${fault}, so no key is taken from it`] };
  const warnings: string[] = [];
  const weak = weakness(secret);
  if (weak) warnings.push(`${name} ${weak}; replace it with one from: openssl rand -hex 32`);
  const daysLeft = Math.floor(millisLeft / 86_400_000);
  if (millisLeft >= 0 && daysLeft < endsSoonDays)
    warnings.push(
      `${name} ends in ${daysLeft < 1 ? 'less than a day' : `${daysLeft} d`}, and its service is unknown from then on; rotate it`,
    );
  const key: FoundMacKey = {
    kind: 'hs',
    credentialId: `redis:${service}`,
    digest: sha256Hex(secret),
    service,
    key: hmacSha256(Buffer.from(secret)),
    ...(millisLeft >= 0 && { endsAt: systemClock() + millisLeft / 1000 }),
  };
  return { key, warnings };
}

/** Whoever writes to Redis chooses the name. */
function printableName(service: string): string {
  return serviceKeyPrefix + (serviceIdFault(service) === null ? service : '…');
}

function signature(keys: readonly FoundMacKey[], warnings: readonly string[]): string {
  return JSON.stringify([keys.map(({ service, digest }) => [service, digest]).toSorted(), warnings]);
}
