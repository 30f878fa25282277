/** The two header forms in which an API key may arrive. */
export type ApiKeyForm = 'bearer' | 'x-api-key';

/** The header that carries the key, by lower-case name. */
export function apiKeyHeaders(key: string, form: ApiKeyForm): Record<string, string> {
  return form === 'bearer' ? { authorization: `Bearer ${key}` } : { 'x-api-key': key };
}
