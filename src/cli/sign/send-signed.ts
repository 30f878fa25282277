import { unreachable } from '../failure.ts';

export interface SentAnswer {
  readonly status: number;
  /** The beginning of it. */
  readonly text: string;
  /** Of a refusal in our form; null for any other answer. */
  readonly reason: string | null;
  /** True when it was refused for its credential. */
  readonly refusedHere: boolean;
}

export async function sendSigned(
  {
    origin,
    target,
    method,
    body = null,
  }: {
    readonly origin: string | null;
    readonly target: string;
    readonly method: string;
    readonly body?: Uint8Array<ArrayBuffer> | null;
  },
  headers: Readonly<Record<string, string>>,
): Promise<SentAnswer> {
  const response = await fetch(`${origin}${target}`, {
    method,
    headers,
    body,
    signal: AbortSignal.timeout(30_000),
    redirect: 'manual',
  }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw unreachable(`no answer from ${origin}: ${cause}`);
  });
  const text = (await response.text()).slice(0, 2000);
  const reason = refusalReason(text);
  const { status } = response;
  return { status, text, reason, refusedHere: reason !== null && (status === 401 || status === 403) };
}

function refusalReason(text: string): string | null {
  try {
    const { reason } = JSON.parse(text) as { reason?: unknown };
    return typeof reason === 'string' ? reason : null;
  } catch {
    return null;
  }
}
