import { PROBE_HEADER, PROBE_RUN_HEADER, probeRequestId } from '../../core/probe.ts';
import { randomBase62 } from '../../crypto/random.ts';
import { unreachable } from '../failure.ts';

/** Signed twice, since each signature may be good for one request. */
export interface RequestToSend {
  readonly origin: string | null;
  readonly target: string;
  readonly method: string;
  readonly body?: Uint8Array<ArrayBuffer> | null;
  /** For asking what would become of the request. */
  readonly asking: Readonly<Record<string, string>>;
  readonly sending: Readonly<Record<string, string>>;
  /** The secret of a run, by which the gateway knows that an operator asks; null: it counts as if the caller had. */
  readonly run: string | null;
}

export interface SentAnswer {
  readonly status: number;
  /** The beginning of it. */
  readonly text: string;
  /** Of a refusal in our form; null for any other answer. */
  readonly reason: string | null;
  /** True when it was refused for its credential. */
  readonly refusedHere: boolean;
  /**
   * What the gateway said when it was asked: allow, would_deny, public or off; null where it refused, or whoever answers cannot
   * be asked. After would_deny nothing was sent.
   */
  readonly outcome: string | null;
  /** Under which the question is recorded. */
  readonly requestId: string;
}

type Answer = Omit<SentAnswer, 'requestId'>;

/**
 * Asks the gateway first, since in mode report a wrong signature is let pass and the service answers as if it were right.
 * Whoever does not know the mark takes the question for the request, so its answer is the answer.
 */
export async function sendSigned(request: RequestToSend): Promise<SentAnswer> {
  const mark = `sign-${randomBase62(10)}`;
  const requestId = probeRequestId(mark, request.run === null ? 'anybody' : 'operator');
  const ofRun: Record<string, string> = request.run === null ? {} : { [PROBE_RUN_HEADER]: request.run };
  const asked = await send(request, { ...request.asking, [PROBE_HEADER]: mark, ...ofRun });
  // Forward auth refuses the mark, whoever signed.
  const isUntold = asked.outcome === null && asked.status === 403;
  const isLetPass = asked.outcome !== null && asked.outcome !== 'would_deny';
  if (!isUntold && !isLetPass) return { ...asked, requestId };
  return { ...(await send(request, request.sending)), outcome: asked.outcome, requestId };
}

async function send(
  { origin, target, method, body = null }: RequestToSend,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
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
  const refusedHere = reason !== null && (status === 401 || status === 403);
  return { status, text, reason, refusedHere, outcome: response.headers.get(PROBE_HEADER) };
}

function refusalReason(text: string): string | null {
  try {
    const { reason } = JSON.parse(text) as { reason?: unknown };
    return typeof reason === 'string' ? reason : null;
  } catch {
    return null;
  }
}
