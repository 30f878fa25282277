/**
 * What the server gave this session's pages besides the cookie, and asks of each request. It is kept for all tabs where only pages of
 * this very origin find it: the cookie goes to every port of the machine.
 */
const key = 'countersign-csrf';

export function keepCsrf(csrf: string): void {
  localStorage.setItem(key, csrf);
}

export function csrfHeader(): Record<string, string> {
  const csrf = localStorage.getItem(key);
  return csrf === null ? {} : { 'x-countersign-csrf': csrf };
}

/** A login elsewhere comes back with it in the address, where nobody is to see it or to send it on. */
export function takeCsrf(): void {
  const [, csrf] = /^#csrf=([\w-]{43})$/.exec(globalThis.location?.hash ?? '') ?? [];
  if (csrf === undefined) return;
  keepCsrf(csrf);
  history.replaceState(null, '', '#/');
}
