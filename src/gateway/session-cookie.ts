const namesBegin = 'countersign_';
// A cookie without a name is stored too, and sent back as its value alone: '=countersign_session=x' would be ours.
const ours = /^\s*(?:=\s*)?(?:__(?:host|secure)-)?countersign_(?:session|oauth)[a-z_.]*\s*(?:=|$)/i;

/** A Cookie line without the sessions of the dashboard and the authorization server; null when nothing is left of it. */
export function withoutSessionCookie(line: string): string | null {
  if (!mentions(line)) return line;
  const kept = line.split(';').filter((pair) => !ours.test(pair));
  const text = kept.join(';').trim();
  return text === '' ? null : text;
}

/** True for a Set-Cookie line by which an upstream would replace the dashboard's session. */
export function setsSessionCookie(line: string): boolean {
  return mentions(line) && ours.test(line);
}

function mentions(line: string): boolean {
  return line.length >= namesBegin.length && line.toLowerCase().includes(namesBegin);
}
