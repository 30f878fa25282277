import { MCP_KINDS } from '../../core/mcp/rules.ts';
import type { Findings } from './findings.ts';
import type { Place } from './place.ts';
import { isLoopback, listenAddress, seconds } from '../schema/quantities.ts';

/** What is wrong with OAuth in the file, as far as it takes more than one key to see. */
export function checkOauth(root: Place, found: Findings): void {
  const oauth = root.get('oauth');
  const server = oauth.get('server');
  const issuers = oauth.get('issuers').items();
  checkAddress(root.get('publicUrl'), 'the public URL', found);
  for (const issuer of issuers) {
    checkAddress(issuer.get('issuer'), 'the issuer', found);
    checkAddress(issuer.get('jwksUri'), 'the address of the keys', found);
  }
  checkAddress(server.get('issuer'), 'the issuer', found);
  checkServerIssuer(root, found);
  checkClientTtl(server, found);
  const known = new Set(issuers.flatMap((issuer) => issuer.get('issuer').text ?? []));
  const hasServer = server.value !== undefined;
  for (const [name, service] of root.get('services').entries()) {
    const accept = service
      .get('accept')
      .items()
      .find((scheme) => scheme.text === 'oauth');
    const own = service.get('oauth');
    if (!accept) {
      if (own.value !== undefined)
        found.faults.push(own.keyFault(`the service "${name}" takes no OAuth tokens`, 'write accept: [oauth] too'));
      continue;
    }
    if (!hasServer && known.size === 0)
      found.faults.push(
        accept.fault(
          'no issuer of tokens is named',
          'write oauth: { server: {} } or oauth: { issuers: […] } at the top',
        ),
      );
    checkAddress(own.get('resource'), 'the resource', found);
    for (const issuer of own.get('issuers').items())
      if (issuer.text !== null && !known.has(issuer.text) && issuer.text !== server.get('issuer').text)
        found.faults.push(issuer.fault('the issuer is not one of oauth.issuers', 'name it there first'));
    checkPassing(service, found);
    checkReach(root, service, found);
    checkClientNames(service, own.get('issuers').items().length || known.size + (hasServer ? 1 : 0), found);
  }
}

/** Each issuer gives its clients their names by itself: what one lets be called so, a rule takes for the client of another. */
function checkClientNames(service: Place, issuers: number, found: Findings): void {
  if (issuers < 2) return;
  const inRoutes = service
    .get('routes')
    .items()
    .flatMap((route) => route.get('callers').items())
    .map((caller) => ({ name: caller.text ?? '', fault: caller.fault }));
  const inRules = MCP_KINDS.flatMap((kind) => service.get(kind).get('for').entries()).map(([name, place]) => ({
    name,
    fault: place.keyFault,
  }));
  for (const { name, fault } of [...inRoutes, ...inRules])
    if (name.startsWith('client:'))
      found.warnings.push(
        fault(
          `"${name}" may be a client of any of ${issuers} issuers`,
          'name the one that is meant: oauth: { issuers: [https://HOST] } of this service',
        ),
      );
}

/** MCP forbids to pass tokens on: the upstream would believe that it was called by their holder. */
function checkPassing(service: Place, found: Findings): void {
  if (service.get('authorization').value === 'upstream')
    found.faults.push(
      service
        .get('authorization')
        .fault(
          'OAuth tokens arrive in the Authorization header, which is the upstream’s here',
          'leave one of the two out',
        ),
    );
  if (service.get('passCredential').value === true)
    found.faults.push(
      service
        .get('passCredential')
        .fault('OAuth tokens are never passed on: they are for this service alone', 'leave out passCredential'),
    );
}

function checkReach(root: Place, service: Place, found: Findings): void {
  if (root.get('publicUrl').value !== undefined || service.get('oauth').get('resource').value !== undefined) return;
  const written = service.get('listen').text ?? root.get('listen').text;
  const host = listenAddress(written ?? '')?.host ?? '127.0.0.1';
  if (host !== '0.0.0.0' && host !== '::') return;
  found.faults.push(
    service
      .get('accept')
      .keyFault(
        'tokens name the address that callers see, and it is not known',
        'write publicUrl: https://… at the top',
      ),
  );
}

/** A client that is forgotten before its logins end would end them. */
function checkClientTtl(server: Place, found: Findings): void {
  const written = (key: string): number | null => {
    const { value } = server.get(key);
    return typeof value === 'string' || typeof value === 'number' ? seconds(value) : null;
  };
  const kept = written('registeredClientTtl') ?? 90 * 86_400;
  const login = written('refreshTokenTtl') ?? 30 * 86_400;
  if (kept >= login) return;
  const place = server.get('registeredClientTtl').value === undefined ? 'refreshTokenTtl' : 'registeredClientTtl';
  found.faults.push(
    server
      .get(place)
      .fault(
        'clients that registered themselves would be forgotten before their logins end',
        'write registeredClientTtl: as long as refreshTokenTtl at least',
      ),
  );
}

/** The authorization server stands on the admin's side, never on an origin that it shares with a service. */
function checkServerIssuer(root: Place, found: Findings): void {
  const issuer = root.get('oauth').get('server').get('issuer');
  if (issuer.text === null || !URL.canParse(issuer.text)) return;
  const { pathname, hostname } = new URL(issuer.text);
  if (pathname !== '/' || issuer.text.endsWith('/'))
    found.faults.push(issuer.fault('the issuer has a path', 'write the origin alone: https://auth.example.org'));
  const hosts = root
    .get('adminHosts')
    .items()
    .map((host) => host.text);
  if (!isLoopback(hostname.replace(/^\[|\]$/g, '')) && !hosts.includes(hostname))
    found.faults.push(issuer.fault(`${hostname} is not one of adminHosts`, `write adminHosts: [${hostname}]`));
}

/** Tokens travel in the clear over http, so it is for this machine only. */
export function checkAddress(place: Place, what: string, found: Findings): void {
  if (place.text === null) return;
  const example = 'write https://HOST, or http on this machine';
  if (!/^https?:\/\//.test(place.text) || !URL.canParse(place.text))
    return void found.faults.push(place.fault(`${what} is not an https address`, example));
  const url = new URL(place.text);
  if (url.hash !== '' || url.search !== '' || url.username !== '' || url.password !== '')
    return void found.faults.push(place.fault(`${what} has a query, a fragment or credentials`, example));
  const isCanonical = url.href === place.text || url.href === `${place.text}/`;
  if (!isCanonical)
    return void found.faults.push(place.fault(`${what} is not in its usual spelling`, `write ${url.href}`));
  if (url.protocol === 'http:' && !isLoopback(url.hostname.replace(/^\[|\]$/g, '')))
    found.faults.push(place.fault(`${what} is reached without encryption`, example));
}
