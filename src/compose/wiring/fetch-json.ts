import { boundedFetch } from './bounded-fetch.ts';

/** The JSON at an address that the configuration names, or that such an address named. */
export async function fetchJson(url: string): Promise<unknown> {
  const response = await boundedFetch(url, { headers: { accept: 'application/json' } });
  if (response.status !== 200) throw new TypeError(`${url} answers with ${response.status}`);
  return response.json();
}
