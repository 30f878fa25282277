import { signatureBase, type SignedMessage } from './base.ts';
import type { SignatureInput } from './dictionary.ts';

/** A signature base as people wrongly make it, and how to say so. */
export interface BaseMistake {
  readonly base: string;
  readonly words: string;
}

/** Those of a request that has every component which the signature covers. */
export function baseMistakes(
  message: SignedMessage,
  { components, text }: SignatureInput,
  prefixes: readonly string[] = [],
): BaseMistake[] {
  const { method, target, authority, protocol } = message;
  const right = signatureBase(message, components, text) ?? '';
  const mistakes: BaseMistake[] = [];
  const instead = (base: string, words: string) => {
    if (base !== right) mistakes.push({ base, words });
  };
  const as = (change: Partial<SignedMessage>, words: string) =>
    instead(
      signatureBase({ ...message, fields: (name) => message.fields(name), ...change }, components, text) ?? right,
      words,
    );

  for (const other of [method.toUpperCase(), method.toLowerCase()])
    as({ method: other }, `the method was signed as "${other}", the request line has "${method}"`);
  for (const other of authorities(authority, protocol))
    as({ authority: other }, `the host was signed as "${other}", the request came for "${authority}"`);
  const other = protocol === 'http' ? 'https' : 'http';
  as({ protocol: other }, `the request was signed for ${other}, and came by ${protocol}`);
  const [path = '', query] = splitAtQuery(target);
  const onPath = (changed: string, words: string) =>
    as({ target: query === null ? changed : `${changed}?${query}` }, words);
  for (const prefix of prefixes) {
    if (path.startsWith(`${prefix}/`))
      onPath(
        path.slice(prefix.length),
        'the path was signed without its first part: a gateway’s prefix belongs to the path on the request line',
      );
    onPath(prefix + path, `the path was signed with the prefix ${prefix} once more than the request line has it`);
  }
  onPath(
    path.endsWith('/') ? path.slice(0, -1) : `${path}/`,
    path.endsWith('/') ? 'the path was signed without its trailing slash' : 'the path was signed with a trailing slash',
  );
  if (query !== null) as({ target: path }, 'the query was left out: it is signed with its question mark');
  const line = `"@query": ${query === null ? '?' : `?${query}`}\n`;
  instead(
    right.replace(line, () => `"@query": ${query ?? ''}\n`),
    query === null
      ? 'the absent query was signed as nothing: it is signed as a lone question mark'
      : 'the query was signed without its question mark',
  );
  instead(`${right}\n`, 'the signature base ends in a line break: sign it without');
  instead(right.replaceAll('\n', '\r\n'), 'the lines were joined with CRLF: join them with a line feed alone');
  return mistakes;
}

function splitAtQuery(target: string): [path: string, query: string | null] {
  const mark = target.indexOf('?');
  return mark === -1 ? [target, null] : [target.slice(0, mark), target.slice(mark + 1)];
}

/** What else a host is called on the way from the caller to the server. */
function authorities(authority: string, protocol: 'http' | 'https'): Set<string> {
  const bare = authority.replace(/:[0-9]+$/, '');
  const port = authority.slice(bare.length);
  const others = new Set([bare, `${bare}:${protocol === 'http' ? 80 : 443}`]);
  if (bare === 'localhost' || bare === '[::1]') others.add(`127.0.0.1${port}`);
  if (bare === '127.0.0.1' || bare === '[::1]') others.add(`localhost${port}`);
  others.delete(authority);
  return others;
}
