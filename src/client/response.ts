const textBytesMax = 4096;

/** The stable reason of a refusal (`{"error","reason","authenticated"}`), or null. The response can still be read after it. */
export async function refusalReason(response: Response): Promise<string | null> {
  if (!/^application\/json\b/.test(response.headers.get('content-type') ?? '')) return null;
  if (!isShort(response)) return null;
  try {
    const value: unknown = await response.clone().json();
    const reason = typeof value === 'object' && value !== null && 'reason' in value ? value.reason : null;
    return typeof reason === 'string' ? reason : null;
  } catch {
    return null;
  }
}

/** A response that nobody reads: read to its end when that is near, so that the connection can be used again. */
export async function discard(response: Response): Promise<void> {
  try {
    if (isShort(response)) await response.arrayBuffer();
    else await response.body?.cancel();
  } catch {
    // It is thrown away anyhow.
  }
}

function isShort(response: Response): boolean {
  const length = response.headers.get('content-length');
  return length !== null && Number(length) <= textBytesMax;
}
