import { signal } from '@preact/signals';
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

/** A viewer reads. */
export const mayAct = (): boolean => session.value?.operator.role === 'operator';

export async function ask<T>(path: string, method = 'GET', body?: object, abort?: AbortSignal): Promise<T> {
  const csrf = session.peek()?.csrf;
  const headers = {
    ...(body && { 'content-type': 'application/json' }),
    ...(method !== 'GET' && csrf !== undefined && { 'x-countersign-csrf': csrf }),
  };
  const response = await reach(path, { method, headers, ...(body && { body: JSON.stringify(body) }) }, abort);
  setClock(response.headers.get('date'));
  const answer = (await response.json().catch(() => ({}))) as { data?: T; error?: string; confirm?: boolean };
  if (response.ok) return answer.data as T;
  if (response.status === 401 && !path.startsWith('session')) session.value = null;
  throw new ApiError(response.status, answer.error ?? `The server answered ${response.status}.`, answer.confirm);
}

/** Whoever has heard nothing for so long hears nothing any more: the network may have gone without a word. */
const answerMillisMax = 60_000;

async function reach(path: string, init: RequestInit, abort?: AbortSignal): Promise<Response> {
  const late = AbortSignal.timeout(answerMillisMax);
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
  session.value = entered;
  return entered;
}

export async function resume(): Promise<void> {
  try {
    await enter('session', 'GET');
  } catch {
    session.value = null;
  }
}

export async function logOut(): Promise<void> {
  try {
    await ask('session', 'DELETE');
  } finally {
    session.value = null;
  }
}
