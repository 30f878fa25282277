import { isObject } from '../../core/json/object.ts';
import type { ServiceConfig } from '../../compose/config.ts';
import { repair, type Finding } from './finding.ts';

const answerMillis = 5000;
const bytesMax = 65_536;

/**
 * Metadata that sends clients the wrong way (RFC 9728, RFC 8414): of the gateway, and of upstreams that speak for themselves.
 * What does not answer is passed over.
 */
export async function checkOauth(origin: string, services: readonly ServiceConfig[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const service of services) {
    const own = `${origin}/${service.name}`;
    const takesOauth = service.accept.includes('oauth');
    const documents = [`${origin}/.well-known/oauth-protected-resource/${service.name}`];
    // One that is run here has no address of its own.
    if (service.command === null)
      documents.push(
        `${new URL(service.upstream).origin}/.well-known/oauth-protected-resource${new URL(service.upstream).pathname.replace(/\/$/, '')}`,
      );
    for (const place of documents) {
      const metadata = await jsonAt(place);
      // Some servers answer anything at all with JSON.
      if (metadata === null || !('resource' in metadata || 'authorization_servers' in metadata)) continue;
      if (!takesOauth) found.push(falsePromise(place, service.name));
      else if (metadata['resource'] !== own)
        found.push(lie(place, `it says that the resource is ${shown(metadata['resource'])}, not ${own}`));
      else found.push(...(await issuersOff(place, metadata['authorization_servers'])));
    }
  }
  return found;
}

async function issuersOff(place: string, servers: unknown): Promise<Finding[]> {
  if (!Array.isArray(servers) || servers.length === 0) return [lie(place, 'it names no authorization server')];
  const found: Finding[] = [];
  for (const issuer of servers.slice(0, 10)) {
    if (typeof issuer !== 'string' || !URL.canParse(issuer) || !/^https?:/.test(issuer)) {
      found.push(lie(place, `the authorization server ${shown(issuer)} is no URL`));
      continue;
    }
    const { origin, pathname } = new URL(issuer);
    const at = `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`;
    const metadata = await jsonAt(at);
    if (metadata === null) found.push(lie(place, `the authorization server ${shown(issuer)} has no metadata at ${at}`));
    // RFC 8414 §3.3: otherwise the client must not use it, or one server could pass itself off as another.
    else if (metadata['issuer'] !== issuer)
      found.push(lie(at, `it says that the issuer is ${shown(metadata['issuer'])}, not ${issuer}`));
  }
  return found;
}

/** Null for whatever is no JSON object there. */
async function jsonAt(url: string): Promise<Record<string, unknown> | null> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(answerMillis) });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > bytesMax) return null;
      chunks.push(chunk);
    }
    const value: unknown = response.status === 200 ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : null;
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 200);
}

function falsePromise(place: string, service: string): Finding {
  return {
    check: 'oauth-metadata',
    place,
    severity: 'medium',
    what: `OAuth is offered for ${service}, which takes no OAuth token here`,
    why: 'Clients that find such metadata ignore their key and start a login that leads nowhere.',
    repair: repair({ words: `Take the metadata away, or put \`oauth\` into \`services.${service}.accept\`.` }),
  };
}

function lie(place: string, what: string): Finding {
  return {
    check: 'oauth-metadata',
    place,
    severity: 'medium',
    what,
    why: 'Clients compare it with the address they called, and refuse to log in or ask for tokens for somebody else.',
    repair: repair({ words: 'Put the address into it that clients call.' }),
  };
}
