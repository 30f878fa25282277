import { readFileSync } from 'node:fs';
import type { JWK } from 'jose';
import { createClient, listClients, revokeClient, type ClientsOptions } from '../../../authority/oauth/clients.ts';
import { isInTheClear } from '../../../authority/oauth/redirects.ts';
import type { StackConfig } from '../../../compose/config.ts';
import { rfc3339, rfc3339OrNull, systemClock } from '../../../core/clock.ts';
import { printable } from '../../../core/text/printable.ts';
import type { Store } from '../../../core/store.ts';
import { keyFinder } from '../../../schemes/oauth/index.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused, usage } from '../../failure.ts';
import { columns } from '../../output.ts';
import { atWork } from '../../workplace.ts';
import { scopesOf } from '../keys/keys.ts';

export async function clientsCreate(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [name = ''] = invocation.positionals;
  if (!/^[^\p{C}]{1,128}$/u.test(name)) throw usage('the NAME has 1 to 128 characters and no control characters');
  const redirectUris = redirects(invocation);
  const device = invocation.flag('device');
  const order = { name, redirectUris, device, scopes: scopesOf(invocation), jwks: keySet(invocation) };
  return atWork(invocation, async ({ config, store, record }) => {
    const options = clientsOptions(config, store);
    if (invocation.dryRun) {
      if (invocation.json) out.json({ dry_run: true, client_name: name });
      else out.line(`would create  the client "${name}"`);
      return EXIT.done;
    }
    const { clientId, secret } = await createClient(order, options);
    await record({ type: 'oauth.client.created', subject: clientId, detail: { name } });
    if (invocation.json) {
      out.json({ client_id: clientId, ...(secret !== null && { client_secret: secret }), client_name: name });
      return EXIT.done;
    }
    out.line(clientId);
    if (secret !== null) {
      out.line(secret);
      out.talk('The first line is the client_id, the second its secret, which is shown this once.');
    }
    return EXIT.done;
  });
}

export async function clientsList(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async ({ config, store }) => {
    const clients = await listClients(clientsOptions(config, store));
    if (invocation.json) {
      out.json(
        clients.map(({ clientId, name, grants, authentication, redirectUris, scope, expiresAt }) => ({
          client_id: clientId,
          client_name: name,
          grant_types: grants,
          token_endpoint_auth_method: authentication,
          redirect_uris: redirectUris,
          scope,
          expires_at: rfc3339OrNull(expiresAt),
        })),
      );
      return EXIT.done;
    }
    if (clients.length === 0) {
      out.talk('There are no clients. Make one: countersign clients create NAME');
      return EXIT.done;
    }
    const rows = clients.map(({ clientId, name, authentication, redirectUris, scope, expiresAt }) =>
      [
        clientId,
        name ?? '',
        authentication,
        redirectUris.join(' '),
        scope ?? '',
        expiresAt === null ? '' : rfc3339(expiresAt),
      ].map(printable),
    );
    for (const line of columns(
      ['CLIENT_ID', 'NAME', 'PROVES ITSELF BY', 'REDIRECTS', 'SCOPES', 'FORGOTTEN'],
      rows,
      out,
    ))
      out.line(line);
    return EXIT.done;
  });
}

export async function clientsRevoke(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [clientId = ''] = invocation.positionals;
  return atWork(invocation, async ({ config, store, record }) => {
    if (invocation.dryRun) {
      if (invocation.json) out.json({ dry_run: true, client_id: clientId });
      else out.line(`would revoke  ${printable(clientId)}`);
      return EXIT.done;
    }
    const ended = await revokeClient(clientId, clientsOptions(config, store));
    if (ended === null) throw refused(`there is no client "${printable(clientId)}"`, 'See `countersign clients list`.');
    await record({ type: 'oauth.client.revoked', subject: clientId, detail: { grants: ended } });
    if (invocation.json) out.json({ client_id: clientId, grants_ended: ended });
    else out.line(`revoked  ${printable(clientId)}, and ${ended === 1 ? '1 grant' : `${ended} grants`} with it`);
    return EXIT.done;
  });
}

function clientsOptions({ oauth }: StackConfig, { records }: Store): ClientsOptions {
  const server = oauth?.server;
  if (!server)
    throw refused('the configuration has no authorization server', 'Write oauth: { server: {} } at its top.');
  return { records, clock: systemClock, accessTokenSeconds: server.accessTokenSeconds };
}

function redirects(invocation: Invocation): readonly string[] {
  const uris = invocation.texts('redirect-uri');
  for (const uri of uris) {
    const url = URL.canParse(uri) ? new URL(uri) : null;
    if (!url || uri.includes('#') || isInTheClear(uri) || /^(?:javascript|data|file):$/.test(url.protocol))
      throw usage(
        `--redirect-uri ${printable(uri)} is no address for answers`,
        'Write https://…, or http://127.0.0.1/… for a program on the same machine.',
      );
  }
  return uris;
}

/** Public halves only: whoever hands over a private key by mistake is told so. */
function keySet(invocation: Invocation): readonly JWK[] | null {
  const file = invocation.text('jwks');
  if (file === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
    keyFinder(value);
  } catch (error) {
    throw refused(`${file} holds no JWK set (${codeOf(error) ?? 'not JSON of the form {"keys": […]}'})`);
  }
  const { keys } = value as { readonly keys: readonly JWK[] };
  if (keys.some((key) => 'd' in key || 'k' in key))
    throw refused(
      `${file} holds a private key`,
      'Leave the private half with the client, and hand over the public one.',
    );
  return keys;
}
