const answerMillisMax = 5000;
const bytesMax = 262_144;

/**
 * The JSON at an address that the configuration names, or that such an address named: bounded in time and size, over https or
 * from this machine, and never from elsewhere than asked.
 */
export async function fetchJson(url: string): Promise<unknown> {
  const { protocol, hostname } = new URL(url);
  const isLocal = /^(?:localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && isLocal)) throw new TypeError(`${url} is not encrypted`);
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(answerMillisMax),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new TypeError(`${url} answers with ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw new TypeError(`${url} is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
