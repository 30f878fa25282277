const answerMillisMax = 5000;
const bytesMax = 262_144;

/**
 * A fetch for addresses that the configuration names, or that such an address named: bounded in time and size, over https or
 * from this machine, and never from elsewhere than asked. Resolves with the whole answer.
 */
export async function boundedFetch(url: string, init: RequestInit = {}): Promise<Response> {
  const { protocol, hostname } = new URL(url);
  const isLocal = /^(?:localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && isLocal)) throw new TypeError(`${url} is not encrypted`);
  const response = await fetch(url, {
    ...init,
    redirect: 'error',
    signal: AbortSignal.timeout(answerMillisMax),
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw new TypeError(`${url} is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  const { status, headers } = response;
  return new Response(size === 0 ? null : Buffer.concat(chunks), { status, headers });
}
