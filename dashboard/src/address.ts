import { computed, signal } from '@preact/signals';
import { takeCsrf } from './csrf.ts';

/** Where the page is, all of it in the address: #/audit?outcome=deny can be sent to a colleague. */
export interface Place {
  readonly page: string;
  /** What stands behind the page's name: a service, a caller. */
  readonly subject: string | null;
  readonly query: URLSearchParams;
}

export function placeOf(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2);
  const [page = '', subject] = path.split('/');
  return {
    page: page || 'overview',
    subject: subject === undefined ? null : decoded(subject),
    query: new URLSearchParams(query),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function linkTo(
  page: string,
  subject: string | null = null,
  query: Readonly<Record<string, string>> = {},
): string {
  const kept = Object.entries(query).filter(([, value]) => value !== '');
  const tail = new URLSearchParams(kept).toString();
  return `#/${page}${subject === null ? '' : `/${encodeURIComponent(subject)}`}${tail && `?${tail}`}`;
}

takeCsrf();
const hash = signal(globalThis.location?.hash ?? '');
globalThis.addEventListener?.('hashchange', () => (hash.value = location.hash));
export const place = computed(() => placeOf(hash.value));

/** Changes a filter in place: going back leaves the page, not the filter's last letter. */
export function setQuery(change: Readonly<Record<string, string>>): void {
  const { page, subject, query } = place.value;
  history.replaceState(null, '', linkTo(page, subject, { ...Object.fromEntries(query), ...change }));
  hash.value = location.hash;
}

export const since = computed(() => place.value.query.get('since') ?? '1h');
