import { rfc3339 } from '../../../core/clock.ts';
import { printable } from '../../../core/text/printable.ts';
import { mintedKind } from '../../../crypto/key-format.ts';
import { unpresentable } from '../../../keys/secret-text.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused, unreachable } from '../../failure.ts';
import { givenOrigin, listenOrigin } from '../../listen-origin.ts';
import { secretFromFile, secretFromStdin } from '../../secret-input.ts';
import { readConfig } from '../../workplace.ts';

/** Asks the running server itself, so the answer is what a service would be told. */
export async function whoami(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const file = invocation.text('key-file');
  const url = invocation.text('url');
  const origin = url === null ? listenOrigin(await readConfig(invocation)) : givenOrigin(url).origin;
  const credential =
    file === null ? await secretFromStdin(invocation, 'the credential') : secretFromFile(file, 'the credential');
  // With a space about it Bearer would show one text and the form another, and nobody is asked about but the admin.
  const fault = unpresentable(credential);
  if (fault !== null)
    throw refused(`the credential ${fault}`, 'Give the key or token alone, without a word before it.');
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
  if (!response.ok) {
    const sharedPerhaps = response.status === 401 && mintedKind(credential) === null;
    throw refused(
      `${endpoint.origin} says: ${String(answer['error'] ?? `status ${response.status}`)}`,
      sharedPerhaps ? "A service's shared key is accepted at that service only, so nothing is known of it here." : null,
    );
  }
  if (invocation.json) out.json(answer);
  else if (answer['active'] === true) for (const line of whoLines(answer)) out.line(line);
  // Whoever else may ask is told of its own credential; only the admin token asks and is no credential of a caller.
  else out.line('the admin: this token mints and revokes, and no service accepts it');
  return answer['active'] === true ? EXIT.done : EXIT.refused;
}

/** Who it is first; what has no value is left out. */
function whoLines({ sub, scope, client_id: client, iat, exp, jti }: Record<string, unknown>): string[] {
  const time = (value: unknown): string => (typeof value === 'number' ? rfc3339(value) : '');
  const rows = { caller: sub, id: jti, client, scopes: scope, since: time(iat), until: time(exp) || 'it is revoked' };
  return Object.entries(rows).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name.padEnd(6)}  ${printable(String(value))}`],
  );
}
