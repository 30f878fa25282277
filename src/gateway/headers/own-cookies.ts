// Every cookie of the operators' side is named so: what is not listed one by one cannot be forgotten.
const namesBegin = 'countersign_';
// A cookie without a name is stored too, and sent back as its value alone: '=countersign_session=x' would be ours.
const ours = /^\s*(?:=\s*)?(?:__(?:host|secure)-)?countersign_[a-z0-9_.]*\s*(?:=|$)/i;

/**
 * A Cookie line without ours: sessions of the dashboard and the authorization server, and logins at a provider that are under way. Null
 * when nothing is left of it.
 */
export function withoutOwnCookies(line: string): string | null {
  if (!mentions(line)) return line;
  const kept = line.split(';').filter((pair) => !ours.test(pair));
  const text = kept.join(';').trim();
  return text === '' ? null : text;
}

/** True for a Set-Cookie line by which an upstream would put one of ours into a browser: its session or login for the operator's. */
export function setsOwnCookie(line: string): boolean {
  return mentions(line) && ours.test(line);
}

function mentions(line: string): boolean {
  return line.length >= namesBegin.length && line.toLowerCase().includes(namesBegin);
}
