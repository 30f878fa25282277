import { setTimeout as sleep } from 'node:timers/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import type { TokenRecord } from '../../core/credential.ts';
import type { Change } from '../../core/store.ts';
import { audience } from '../../core/audience.ts';
import { KeyError } from '../key-error.ts';
import { unpresentable } from '../secret-text.ts';
import { foundIn, newsShape, tokenShape, type KeysNews } from './authority-news.ts';
import { keyFile } from './key-file.ts';
import type { FoundKey, KeySource, SessionStore } from './key-source.ts';

/** Where an authority answers, and how long what it said holds. */
export interface AuthoritySourceOptions {
  /** Where the authority answers: https, or http on this machine, since secrets travel. */
  readonly url: string | URL;
  /** The service that judges by these keys, as the authority's configuration names it. */
  readonly service: string;
  /** A key or session token with the scope `keys:read`; a key of the service itself reads for that service only. */
  readonly token?: string;
  /** The same in a file, which is followed. */
  readonly tokenFile?: string;
  /**
   * For how long what was heard last may be relied on while the authority is away; 3,600. After it nobody is judged, and
   * requests are refused as unavailable. The price of a long time: a key that is revoked meanwhile goes on working here.
   */
  readonly staleSecondsMax?: number;
  /** How long the authority may take to answer; 5, at most 3,600. */
  readonly timeoutSeconds?: number;
  /** Told in an operator's words when it goes away, comes back, or says what cannot be used. */
  readonly onWarning?: (text: string) => void;
  /** globalThis.fetch unless given. */
  readonly fetch?: typeof globalThis.fetch;
  /** Seconds of any clock that does not jump. */
  readonly elapsed?: Clock;
}

/** Keys and session tokens of a stack, from its authority: all at first, then changes as they happen. */
export interface AuthoritySource extends KeySource {
  fault(): string | null;
  readonly sessions: SessionStore;
}

const waitSecondsMax = 25;
const timeoutSecondsMax = 3600;
const retryMillis = 250;
const retryMillisMax = 5000;
/** An authority with too many waiting answers at once: it is not asked without pause for that. */
const pauseMillis = 1000;

/** Throws on what could never work: misuse shows when the source is made. An authority that is away is a warning only. */
export function authoritySource(options: AuthoritySourceOptions): AuthoritySource {
  const { service, staleSecondsMax = 3600, timeoutSeconds = 5, onWarning = () => undefined } = options;
  const { fetch: send = globalThis.fetch, elapsed = () => performance.now() / 1000 } = options;
  const origin = originOf(options.url);
  if (!(staleSecondsMax > 0)) throw new TypeError('staleSecondsMax must be more than 0');
  if (!(timeoutSeconds > 0 && timeoutSeconds <= timeoutSecondsMax))
    throw new TypeError(`timeoutSeconds must be more than 0 and at most ${timeoutSecondsMax}`);
  const token = tokenOf(options);
  // While one question waits nothing is heard, and that must not look like an authority that is away.
  const waitSeconds = Math.max(1, Math.min(waitSecondsMax, Math.floor(staleSecondsMax / 2)));
  const listeners = audience<Change>();
  const ended = new AbortController();

  let heard = Number.NEGATIVE_INFINITY;
  let version = '';
  let found: readonly FoundKey[] = [];
  let revoked: readonly string[] = [];
  let withheld: readonly string[] = [];
  let trouble: string | null = 'has not been heard from yet';
  let away = false;
  let staleTold = false;
  let changed: () => void = () => undefined;
  let following: Promise<void> | null = null;

  function fault(): string | null {
    if (version !== '' && elapsed() - heard <= staleSecondsMax) return null;
    return trouble ?? 'has been silent for too long';
  }

  async function ask(path: string, etag: string, waitMillis: number): Promise<Response> {
    const headers = { authorization: `Bearer ${token()}`, ...(etag && { 'if-none-match': `"${etag}"` }) };
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(waitMillis + timeoutSeconds * 1000)]);
    // A redirect would carry the token to wherever it points.
    return send(`${origin}/auth/keys/${path}`, { headers, signal, redirect: 'error' });
  }

  /** True when there was news. Rejects when the authority did not answer, or not with keys. */
  async function poll(seconds: number): Promise<boolean> {
    const query = new URLSearchParams({ service, wait: String(seconds) });
    const response = await ask(`snapshot?${query}`, version, seconds * 1000);
    if (response.status !== 304 && response.status !== 200) throw await refusedBy(response);
    const news = response.status === 200 ? newsShape.parse(await response.json()).data : null;
    if (news) take(news);
    heard = elapsed();
    staleTold = false;
    if (away) onWarning(`${name}: answers, and the keys are up to date`);
    away = false;
    trouble = null;
    if (news) tell(news);
    return news !== null;
  }

  function take({ version: next, keys }: KeysNews): void {
    version = next;
    if (keys === null) return;
    const { found: all, faults } = foundIn(keys);
    found = all;
    revoked = keys.revocations;
    const before = withheld;
    withheld = [...faults, ...keys.withheld.map(withheldWords), ...keys.warnings];
    for (const text of withheld) if (!before.includes(text)) onWarning(`${name}: ${text}`);
  }

  function tell({ keys, tokens_changed: ids }: KeysNews): void {
    if (keys !== null) changed();
    if (ids === null) listeners.tell({ topic: 'resync', id: '' });
    else for (const id of ids) listeners.tell({ topic: 'tokens', id });
  }

  function failed(error: unknown): void {
    const words = error instanceof Error ? plain(error) : String(error);
    if (!away) onWarning(`${name}: ${words}; what is known stays in use`);
    away = true;
    trouble = words;
    // What was remembered of tokens may not be relied on any longer either.
    if (!staleTold && fault() !== null) listeners.tell({ topic: 'resync', id: '' });
    staleTold ||= fault() !== null;
  }

  async function follow(): Promise<void> {
    let failures = 0;
    while (!ended.signal.aborted) {
      const began = performance.now();
      try {
        const news = await poll(version === '' || failures > 0 ? 0 : waitSeconds);
        failures = 0;
        if (!news && performance.now() - began < pauseMillis) await pause(pauseMillis);
      } catch (error) {
        if (ended.signal.aborted) return;
        failed(error);
        failures += 1;
        await pause(Math.random() * Math.min(retryMillisMax, retryMillis * 2 ** failures));
      }
    }
  }

  function pause(millis: number): Promise<void> {
    return sleep(millis, undefined, { signal: ended.signal, ref: false }).catch(() => undefined);
  }

  async function tokenBy(key: string): Promise<TokenRecord | null> {
    const stale = fault();
    if (stale !== null) throw new KeyError('keys_unavailable', `${name}: ${stale}`);
    const query = new URLSearchParams({ service });
    try {
      const response = await ask(`tokens/${encodeURIComponent(key)}?${query}`, '', 0);
      if (response.status === 404) return null;
      if (response.status !== 200) throw await refusedBy(response);
      return tokenShape.parse(await response.json()).data;
    } catch (error) {
      throw new KeyError('keys_unavailable', `${name}: ${error instanceof Error ? plain(error) : String(error)}`);
    }
  }

  const name = `authority ${origin}`;
  const elsewhere = () =>
    Promise.reject(new KeyError('invalid_option', 'session tokens are administered at the authority'));
  return {
    name,
    async start(onChange) {
      // The first answer is waited for; where there is none, the service starts all the same and refuses until there is.
      await poll(0).catch(failed);
      changed = onChange;
      following ??= follow();
    },
    // A question is always on its way, and a second one could be answered by an older state.
    keys: () => found,
    revoked: () => revoked,
    fault,
    unheard: () => trouble,
    warnings: () => [...withheld, ...(trouble === null ? [] : [trouble])].map((text) => `${name}: ${text}`),
    sessions: {
      tokens: {
        byHash: tokenBy,
        get: tokenBy,
        insert: elsewhere,
        listActive: elsewhere,
        revoke: elsewhere,
        deleteExpired: elsewhere,
      },
      watch: (listener) => listeners.add(listener),
    },
    close() {
      ended.abort(new Error('the source is closed'));
      listeners.clear();
    },
  };
}

function withheldWords(id: string): string {
  return `the authority has the secret of ${id} in a file and cannot hand it out: import it there to have it here`;
}

function originOf(url: string | URL): string {
  const parsed = URL.parse(String(url));
  if (!parsed || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:'))
    throw new TypeError('the authority’s url must be an absolute http or https URL, as http://127.0.0.1:8700');
  if (parsed.protocol === 'http:' && !isLocal(parsed.hostname))
    throw new TypeError('secrets travel from the authority: its url must be https, or http on this machine');
  return parsed.origin + parsed.pathname.replace(/\/+$/, '');
}

function isLocal(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '');
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function tokenOf({ token, tokenFile }: AuthoritySourceOptions): () => string {
  if ((token === undefined) === (tokenFile === undefined)) throw new TypeError('give either token or tokenFile');
  if (tokenFile !== undefined) {
    const file = keyFile(tokenFile, { variable: null, judge: unpresentable });
    return () => {
      const key = file.key();
      if (key === null) throw new KeyError('unknown_key', file.fault?.words ?? `${file.path}: holds no key`);
      return key;
    };
  }
  const fault = unpresentable(token as string);
  if (fault) throw new TypeError(`the token ${fault}`);
  return () => token as string;
}

/** The public words of a refusal hold no secret; anything else that answers is not quoted. */
async function refusedBy(response: Response): Promise<Error> {
  const body: unknown = await response.json().catch(() => null);
  const words = typeof body === 'object' && body !== null && 'error' in body ? `: ${String(body.error)}` : '';
  return new Error(`answers ${response.status}${words.slice(0, 200)}`);
}

/** fetch says only that it failed; why is behind it. */
function plain(error: Error): string {
  if (error.name === 'ZodError') return 'answers with what are no keys';
  const { cause } = error;
  return cause instanceof Error
    ? `${error.message} (${cause.message || String((cause as { code?: string }).code)})`
    : error.message;
}
