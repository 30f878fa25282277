/**
 * What the server gave this session's pages besides the cookie, and asks of each request. It is kept for all tabs where only pages of
 * this very origin find it: the cookie goes to every port of the machine.
 */
const key = 'countersign-csrf';
/** Of a login elsewhere, from the address; or of whoever made a link. */
let brought: string | null = null;

export function keepCsrf(csrf: string): void {
  brought = null;
  localStorage.setItem(key, csrf);
}

export function csrfHeader(): Record<string, string> {
  const csrf = brought ?? localStorage.getItem(key);
  return csrf === null ? {} : { 'x-countersign-csrf': csrf };
}

/** A login elsewhere comes back with it in the address, where nobody is to see it or to send it on. */
export function takeCsrf(): void {
  const [, csrf] = /^#csrf=([\w-]{43})$/.exec(globalThis.location?.hash ?? '') ?? [];
  if (csrf === undefined) return;
  brought = csrf;
  history.replaceState(null, '', '#/');
}

/** The server knows it not. True where there was one: what was kept before may be right still. */
export function dropBrought(): boolean {
  const had = brought !== null;
  brought = null;
  return had;
}
