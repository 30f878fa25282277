import { signServiceRequest } from '../../schemes/service-signature/index.ts';
import { caller } from './credentials.ts';

/** An answer in a few words, so that what is expected and what came can be compared as they are shown. */
export type Answer = string;

type Headers = Readonly<Record<string, string>>;

/** POST /embeddings/embed: '200, service:hybrid-coordinator', or the refusal's status and words. */
export async function askEmbeddings(gateway: string, headers: Headers): Promise<Answer> {
  const response = await fetch(`${gateway}/embeddings/embed`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ input: 'who is calling, and may they?' }),
  });
  const text = await response.text();
  if (!response.ok) return refusalWords(response.status, text);
  const { embeddings, caller: named } = JSON.parse(text) as { embeddings: number[][]; caller: string };
  if (embeddings[0]?.length !== 64) return `${response.status}, but no embedding`;
  // What the example says where it finds no X-Auth-Principal.
  return `${response.status}, ${named === 'somebody' ? 'caller unproven' : named}`;
}

export async function askHealth(gateway: string): Promise<Answer> {
  const response = await fetch(`${gateway}/embeddings/health`);
  const text = await response.text();
  return response.ok && text.includes('"UP"') ? '200, public' : refusalWords(response.status, text);
}

/** POST /hybrid-coordinator/query, which streams its answer word by word. */
export async function askCoordinator(gateway: string, headers: Headers): Promise<Answer> {
  const response = await fetch(`${gateway}/hybrid-coordinator/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ question: 'What becomes of a key that was revoked?' }),
  });
  if (!response.ok || !response.body) return refusalWords(response.status, await response.text());
  let pieces = 0;
  let text = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    pieces += 1;
    text += piece;
  }
  if (!text.includes('revoked') || !text.includes('event: done')) return `${response.status}, but no answer`;
  return pieces > 2 ? `${response.status}, streamed` : `${response.status}, but all at once`;
}

export interface SignatureOf {
  readonly secret: string;
  /** What is signed, when it is not what is sent. */
  readonly path?: string;
  readonly secondsAgo?: number;
}

export function signedHeaders({ secret, path = '/embeddings/embed', secondsAgo = 0 }: SignatureOf): Headers {
  const timestamp = Date.now() / 1000 - secondsAgo;
  return signServiceRequest({ serviceId: caller, secret, method: 'POST', target: path, timestamp }).headers;
}

/** '401 Invalid API key' */
export function refusalWords(status: number, text: string): Answer {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return `${status} ${String(error)}`;
  } catch {
    return `${status} ${text.slice(0, 60)}`;
  }
}
