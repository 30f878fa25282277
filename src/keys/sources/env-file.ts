/** The assignments of a .env file; of a name assigned twice the last counts, as in a shell. */
export type EnvReading =
  | { readonly ok: true; readonly values: ReadonlyMap<string, string> }
  /** Line numbers begin with 1; the fault shows no value. */
  | { readonly ok: false; readonly line: number; readonly fault: string };

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[^\S\n]*(.*)$/s;

/**
 * As a shell would read the simple cases: `export`, comments, single and double quotes, CRLF. What readers differ on is
 * refused when it touches a value (an open quote, text after a quote) rather than read in one of two ways. An unquoted '#'
 * begins a comment only after white space, so that a key with a '#' inside is not cut short.
 */
export function parseEnvFile(text: string): EnvReading {
  const values = new Map<string, string>();
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (const [index, line] of lines.entries()) {
    const match = assignment.exec(line);
    if (!match || /^\s*#/.test(line)) continue;
    const [, name = '', rest = ''] = match;
    const value = valueOf(rest);
    if (value === null) return { ok: false, line: index + 1, fault: 'the quotes do not end the line they are on' };
    values.set(name, value);
  }
  return { ok: true, values };
}

function valueOf(rest: string): string | null {
  const quote = rest.charAt(0);
  if (quote !== '"' && quote !== "'") {
    const comment = /(?:^|\s)#/.exec(rest);
    return (comment ? rest.slice(0, comment.index) : rest).trim();
  }
  let value = '';
  for (let index = 1; index < rest.length; index += 1) {
    const char = rest.charAt(index);
    if (char === quote) return /^\s*(?:\s#.*)?$/s.test(rest.slice(index + 1)) ? value : null;
    const next = rest.charAt(index + 1);
    const escaped = quote === '"' && char === '\\' && next !== '' && '"\\$`'.includes(next);
    value += escaped ? next : char;
    if (escaped) index += 1;
  }
  return null;
}
