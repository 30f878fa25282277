import { presented } from '../../core/bearer.ts';
import type { ClientCertificate } from '../../core/certificate.ts';
import type { Clock } from '../../core/clock.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, type Principal, type Verdict } from '../../core/verdict.ts';

/** Who a verified certificate is of. */
export interface CertificateNames {
  /** spiffe://<trust domain>/<service> counts; null where there are no SPIFFE ids. */
  readonly trustDomain: string | null;
  /** Services by the common name of certificates without a URI. */
  readonly subjects: ReadonlyMap<string, string>;
}

export interface ClientCertificateOptions {
  /** Asked on every request, since the configuration may change; null: no listener asks for certificates. */
  readonly names: () => CertificateNames | null;
  /** By serial, lower-case hex. */
  readonly isRevoked: (serial: string) => boolean;
  readonly clock: Clock;
  readonly authorization: 'ours' | 'upstream';
}

const name = 'client-certificate';
const expiredCodes: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** By what it proved, for as long as something lasts for which it was good. */
const shown = new WeakMap<Principal, ClientCertificate>();

/**
 * The certificate of the TLS connection (RFC 8446 §4.4.2). It speaks for requests that carry nothing else: whoever holds it may
 * pass on what others ask, each with a credential of its own, and a broken one must not be made good by the connection.
 */
export function clientCertificate({ names, isRevoked, clock, authorization }: ClientCertificateOptions): Scheme {
  return {
    name,
    authenticate(request) {
      const certificate = request.certificate ?? null;
      const known = names();
      if (certificate === null || known === null || presented(request, authorization).kind !== 'none') return null;
      return judge(certificate, request, known);
    },
    stillProves(principal) {
      const [certificate, known] = [shown.get(principal), names()];
      if (certificate === undefined || known === null) return false;
      const service = serviceOf(certificate, known);
      return 'name' in service && principal.id === `service:${service.name}`;
    },
    // TLS has no challenge: a client is asked for its certificate before it asks for anything.
    challenge: () => null,
  };

  function judge(certificate: ClientCertificate, request: AuthRequest, known: CertificateNames): Verdict {
    const { fault, serial, notBefore, notAfter } = certificate;
    const details = { scheme: name, credentialId: serial };
    if (fault !== null && !expiredCodes.has(fault))
      return deny('invalid_credentials', `the client certificate ${serial} is not trusted: ${fault}`, details);
    const now = clock();
    // A connection may outlast its certificate, so what held when it was opened is asked again. A time that cannot be read is NaN.
    if (fault !== null || !(now >= notBefore && now < notAfter))
      return deny(
        'expired',
        `the client certificate ${serial} is valid from ${time(notBefore)} to ${time(notAfter)}`,
        details,
      );
    const service = serviceOf(certificate, known);
    if ('why' in service)
      return deny('invalid_credentials', `the client certificate ${serial} ${service.why}`, details);
    const caller = { id: `service:${service.name}`, proven: true };
    if (isRevoked(serial))
      return deny('revoked', `the client certificate ${serial} is revoked`, { ...details, caller });
    if (fromOtherSite(request))
      return deny('not_allowed', 'a page of another site made a browser send its certificate', { ...details, caller });
    const principal: Principal = {
      id: caller.id,
      scheme: name,
      credentialId: serial,
      scopes: [],
      expiresAt: notAfter,
      addresses: null,
    };
    shown.set(principal, certificate);
    return allow(principal);
  }
}

/** A browser sends its certificate whoever asked it to; pages of other sites must gain nothing by that (Fetch Metadata). */
function fromOtherSite(request: AuthRequest): boolean {
  return request.fields('sec-fetch-site').some((site) => site !== 'same-origin' && site !== 'none');
}

const spiffe = /^spiffe:\/\/([a-z0-9._-]{1,255})\/([A-Za-z0-9][A-Za-z0-9._-]{0,127})$/;

function serviceOf(certificate: ClientCertificate, known: CertificateNames): { name: string } | { why: string } {
  const { uris, commonName, isAuthority } = certificate;
  if (isAuthority) return { why: 'is that of an authority' };
  if (uris.length > 0) {
    // SPIFFE X509-SVID §2: exactly one URI.
    const found = uris.length === 1 ? spiffe.exec(uris[0] as string) : null;
    if (found === null) return { why: 'has no single SPIFFE id of the form spiffe://<trust domain>/<service>' };
    if (found[1] !== known.trustDomain) return { why: `is of the trust domain ${found[1]}` };
    return { name: found[2] as string };
  }
  const service = commonName === null ? undefined : known.subjects.get(commonName);
  return service === undefined
    ? { why: 'has no SPIFFE id, and its subject is nobody that is known' }
    : { name: service };
}

function time(seconds: number): string {
  return Number.isNaN(seconds) ? 'nobody knows when' : new Date(seconds * 1000).toISOString();
}
