import { systemClock } from '../../core/clock.ts';
import { mintedKind } from '../../crypto/key-format.ts';
import type { Invocation } from '../command.ts';
import { usage } from '../failure.ts';

export interface RequestWords {
  readonly method: string;
  /** Null where the path alone was given. */
  readonly origin: string | null;
  /** As it goes on the request line: nothing is normalised, for that is what is signed. */
  readonly target: string;
}

/** What is to be signed; `example`: of a whole command, for who left something out. */
export function requestWords({ positionals: [method, url] }: Invocation, example: string): RequestWords {
  if (method === undefined || url === undefined) throw usage('"sign" needs METHOD and URL', `For example: ${example}`);
  return { method: method.toUpperCase(), ...splitUrl(url) };
}

/** The file with the key; null where it comes on standard input. */
export function keyFileOption(invocation: Invocation): string | null {
  return invocation.text('key-file') ?? invocation.env['SERVICE_KEY_FILE'] ?? null;
}

export function warnOfApiKey({ out }: Invocation, secret: string): void {
  if (mintedKind(secret) !== 'sk') return;
  out.warn(
    'this is an API key, with which nobody verifies signatures; make one: countersign keys create SERVICE --kind hs',
  );
}

function splitUrl(text: string): { origin: string | null; target: string } {
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
