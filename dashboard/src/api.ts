import { signal } from '@preact/signals';
import { csrfHeader, dropBrought, keepCsrf } from './csrf.ts';
import { setClock } from './server-clock.ts';
import type { Session } from './shapes.ts';

/** What went wrong, in words for an operator. */
export class ApiError extends Error {
  readonly status: number;
  /** The same request passes once the password was shown again. */
  readonly confirm: boolean;
  constructor(status: number, message: string, confirm = false) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.confirm = confirm;
  }
}

/** Undefined until the first answer has said whether this browser is logged in. */
export const session = signal<Session | null | undefined>(undefined);

/** Why it is not known yet; null while nothing stands against it. */
export const startFault = signal<string | null>(null);
/** The session ended while somebody was at a dialog, who can show the password there and loses nothing. */
export const lapsed = signal(false);
let dialogs = 0;

/** Of a dialog, from its opening on; the returned function is called at its end. */
export function holdOpen(): () => void {
  dialogs += 1;
  return () => {
    dialogs -= 1;
    if (lapsed.peek() && dialogs === 0) leave();
  };
}

/** The server knows the session no more. */
export function sessionOver(): void {
  if (dialogs > 0 && session.peek()) lapsed.value = true;
  else leave();
}

export function leave(): void {
  session.value = null;
  lapsed.value = false;
}

/** A viewer reads. */
export const mayAct = (): boolean => session.value?.operator.role === 'operator';

export async function ask<T>(path: string, method = 'GET', body?: object, abort?: AbortSignal): Promise<T> {
  const headers = { ...(body && { 'content-type': 'application/json' }), ...csrfHeader() };
  const response = await reach(path, { method, headers, ...(body && { body: JSON.stringify(body) }) }, abort);
  setClock(response.headers.get('date'));
  const answer = (await readable(response)) as { data?: T; error?: string; confirm?: boolean };
  if (response.ok) return answer.data as T;
  if (response.status === 401 && !path.startsWith('session')) sessionOver();
  throw new ApiError(response.status, answer.error ?? `The server answered ${response.status}.`, answer.confirm);
}

/** Callers choose some of the words: none of them turns ours around, or hides itself (Unicode TR #36). */
async function readable(response: Response): Promise<object> {
  const shown = (_: string, value: unknown): unknown =>
    typeof value === 'string' ? value.replace(/[[\p{Cc}\p{Bidi_Control}]--[\t\n]]/gv, '\ufffd') : value;
  try {
    return JSON.parse(await response.text(), shown) as object;
  } catch {
    return {};
  }
}

/** Whoever has heard nothing for so long hears nothing any more: the network may have gone without a word. */
const answerMillisMax = 30_000;
/** Of what reads much. */
const slowMillisMax = 120_000;
const slow = /^(?:learn|report|traffic|ramp\/proposal)/;

async function reach(path: string, init: RequestInit, abort?: AbortSignal): Promise<Response> {
  const late = AbortSignal.timeout(slow.test(path) || init.method !== 'GET' ? slowMillisMax : answerMillisMax);
  const own = {
    signal: abort ? AbortSignal.any([abort, late]) : late,
    credentials: 'same-origin',
    cache: 'no-store',
  } as const;
  try {
    return await fetch(`/admin/api/${path}`, { ...init, ...own });
  } catch (error) {
    if (abort?.aborted) throw error;
    throw new ApiError(0, init.method === 'GET' ? away : lost);
  }
}

const away = 'The server cannot be reached. It may be restarting; this page tries again.';
const lost =
  'The server could not be reached, and it is not known whether it did this. Look at the list before you do it again.';

/** Takes over what the server says of the session: each such answer may bring a new CSRF value. */
export async function enter(path: string, method: string, body?: object): Promise<Session> {
  const entered = await ask<Session>(path, method, body);
  keepCsrf(entered.csrf);
  session.value = entered;
  lapsed.value = false;
  if (method !== 'GET') tabs?.postMessage(null);
  return entered;
}

/** All tabs have one cookie: where one logs in, out or confirms, the others have another session. */
let tabs: BroadcastChannel | undefined;
const retryMillis = 2000;

/** Finds out whether this browser is logged in, and follows what other tabs do about it. */
export function followSession(): void {
  tabs = new BroadcastChannel('countersign-session');
  tabs.addEventListener('message', () => void resume());
  // A login elsewhere comes back as a page that is loaded.
  void resume().then(() => tabs?.postMessage(null));
}

async function resume(): Promise<void> {
  try {
    await enter('session', 'GET');
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      if (dropBrought()) await resume();
      else sessionOver();
    } else if (session.peek() === undefined) {
      startFault.value = error instanceof Error ? error.message : String(error);
      setTimeout(() => void resume(), retryMillis);
    }
  }
}

export async function logOut(): Promise<void> {
  try {
    await ask('session', 'DELETE');
  } finally {
    leave();
    tabs?.postMessage(null);
  }
}

/** What speaks against a password and a code, in words. */
export function loginFault(error: unknown): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  if (error.status === 401) return 'Name, password or code is wrong.';
  if (error.status === 429) return 'Too many wrong attempts from this address. Wait a while.';
  return error.message;
}
