import type { AuthRequest } from '../src/core/request.ts';

export const authority = 'gateway.internal:8700';
export const target = '/embeddings/v1/embed?model=small&batch=8';

const none: readonly string[] = [];

/** A request whose headers are all that matters. */
export function requestWith(headers: Readonly<Record<string, string>>): AuthRequest {
  const fields = new Map(Object.entries(headers).map(([name, value]) => [name, [value]]));
  return {
    method: 'GET',
    target,
    path: '/v1/embed',
    service: 'embeddings',
    authority,
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'r',
    bodyPresence: 'none',
    fields: (name) => fields.get(name) ?? none,
    body: () => Promise.resolve(new Uint8Array()),
  };
}

/** A bench of refusals would be fast and worthless. */
export async function mustAccept(what: string, result: unknown): Promise<void> {
  const value = await result;
  const accepted = typeof value === 'object' && value !== null && 'allowed' in value ? value.allowed : Boolean(value);
  if (!accepted) throw new Error(`${what} refused the bench's own request: ${JSON.stringify(value)}`);
}
