import { Client } from 'undici';
import { systemClock } from '../../core/clock.ts';
import { PROBE_HEADER, PROBE_RUN_HEADER } from '../../core/probe.ts';
import { codeOf, refused, unreachable } from '../failure.ts';
import { givenOrigin } from '../listen-origin.ts';
import type { Proof } from './credentials.ts';
import type { Target } from './plan.ts';

/** What became of one marked request. */
export interface Answer {
  readonly status: number;
  /** What the gateway would have done with it: allow, would_deny, public or off; null where it refused. */
  readonly outcome: string | null;
}

/** A running gateway that judges requests without forwarding them. */
export interface AskedGateway {
  readonly origin: string;
  ask(target: Target, mark: string, proof: Proof | null): Promise<Answer>;
  close(): Promise<void>;
}

const answerMillis = 10_000;

/**
 * Rejects where nothing answers, and where what answers does not know the mark: it would pass on what is meant to be judged
 * only. `run`: the secret of the run.
 */
export async function askedGateway(url: string, firstTarget: Target, run: string): Promise<AskedGateway> {
  const { origin, authority, protocol } = givenOrigin(url);
  const client = new Client(origin, {
    connect: { timeout: answerMillis },
    headersTimeout: answerMillis,
    bodyTimeout: answerMillis,
  });

  async function send(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
    // The path goes out as it is: a URL object would rewrite it.
    const response = await client.request({ method, path, headers }).catch((error: unknown) => {
      throw unreachable(
        `no answer from ${origin}: ${codeOf(error) ?? String(error)}`,
        'Start it with `countersign serve`, or name another with --url.',
      );
    });
    await response.body.dump();
    const outcome = response.headers[PROBE_HEADER];
    return { status: response.statusCode, outcome: typeof outcome === 'string' ? outcome : null };
  }

  try {
    // A mark that cannot be read is refused by whoever knows marks, and carries no credential anywhere.
    const { status } = await send('GET', firstTarget.path, { [PROBE_HEADER]: '?' });
    if (status !== 400)
      throw refused(
        `what answers at ${origin} (status ${status}) does not know ${PROBE_HEADER}, so nothing was tried: it would pass the requests on`,
        'Point --url at the gateway itself, in this version, without a proxy that drops headers between.',
      );
  } catch (error) {
    await client.close();
    throw error;
  }
  return {
    origin,
    async ask({ method, path }, mark, proof) {
      const timestamp = Math.floor(systemClock());
      const request = { method, protocol, authority, target: path, body: null, timestamp };
      const headers = await proof?.headers(request);
      return send(method, path, { ...headers, [PROBE_HEADER]: mark, [PROBE_RUN_HEADER]: run });
    },
    close: () => client.close(),
  };
}
