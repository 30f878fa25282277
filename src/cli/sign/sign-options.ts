import { systemClock } from '../../core/clock.ts';
import type { Invocation } from '../command.ts';
import { usage } from '../failure.ts';

/** As it goes on the request line: nothing is normalised, for that is what is signed. */
export function splitUrl(text: string): { origin: string | null; target: string } {
  if (text.startsWith('/')) return { origin: null, target: text };
  const match = /^(https?:\/\/[^/?#]+)([/?][^#]*)?(?:#.*)?$/.exec(text);
  if (!match) throw usage('URL is a whole http:// or https:// URL, or a path that begins with a slash');
  const rest = match[2] ?? '/';
  return { origin: match[1] ?? null, target: rest.startsWith('/') ? rest : `/${rest}` };
}

/** Epoch seconds, whole: now unless the option says otherwise. */
export function timestampOption(invocation: Invocation): number {
  const text = invocation.text('timestamp');
  if (text === null) return Math.floor(systemClock());
  if (!/^[0-9]{1,12}$/.test(text)) throw usage('--timestamp is a time in whole Unix seconds');
  return Number(text);
}
