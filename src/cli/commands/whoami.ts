import type { Invocation } from '../command.ts';
import { EXIT, refused, unreachable } from '../failure.ts';
import { secretFromFile, secretFromStdin } from '../secret-input.ts';
import { readConfig } from '../workplace.ts';

/** Asks the running server itself, so the answer is what a service would be told. */
export async function whoami(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const file = invocation.text('key-file');
  const origin = invocation.text('url') ?? (await listenOrigin(invocation));
  const credential =
    file === null ? await secretFromStdin(invocation, 'the credential') : secretFromFile(file, 'the credential');
  const endpoint = new URL('/auth/introspect', origin);
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: credential }),
    signal: AbortSignal.timeout(10_000),
    redirect: 'error',
  }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw unreachable(
      `no answer from ${endpoint.origin}: ${cause}`,
      'Start it with `countersign serve`, or name another with --url.',
    );
  });
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (!response.ok) throw refused(`${endpoint.origin} says: ${String(answer['error'] ?? `status ${response.status}`)}`);
  if (invocation.json) out.json(answer);
  else if (answer['active'] === true) {
    for (const [name, value] of Object.entries(answer))
      if (name !== 'active') out.line(`${name.padEnd(12)}  ${String(value)}`);
  } else out.line('nobody: the server does not accept this credential');
  return answer['active'] === true ? EXIT.done : EXIT.refused;
}

async function listenOrigin(invocation: Invocation): Promise<string> {
  const { listen } = await readConfig(invocation);
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return `http://${host.includes(':') ? `[${host}]` : host}:${listen.port}`;
}
