import { bundleOf } from '../../../certificates/internal-ca.ts';
import { listCertificates, revokeCertificate } from '../../../certificates/revoke.ts';
import { plainSerial } from '../../../core/certificate.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { columns } from '../../output.ts';
import { atWork } from '../../workplace.ts';
import { caOf, wouldDo } from './ca.ts';

export async function caList(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async (place) => {
    const ca = caOf(place, invocation);
    const issuing = (await ca.current())?.serial ?? null;
    const authorities = (await ca.authorities()).map(({ serial, name, trustDomain, notAfter }) => ({
      serial,
      name,
      trust_domain: trustDomain,
      expires_at: rfc3339(notAfter),
      issues: serial === issuing,
    }));
    const certificates = (await listCertificates(place.store.records, systemClock())).map(
      ({ serial, service, hosts, usage: use, notAfter, authority, revoked }) => ({
        serial,
        service,
        hosts,
        usage: use,
        expires_at: rfc3339(notAfter),
        authority,
        revoked,
      }),
    );
    if (invocation.json) out.json({ authorities, certificates });
    else {
      const rows = [
        ...authorities.map((one) => [
          one.serial,
          one.name,
          one.expires_at,
          one.issues ? 'issues' : 'is trusted',
          one.trust_domain,
        ]),
        ...certificates.map((one) => [
          one.serial,
          one.service,
          one.expires_at,
          one.revoked ? 'revoked' : one.usage,
          one.hosts.join(' '),
        ]),
      ];
      if (rows.length === 0) out.talk('There is no authority yet; make one with: countersign ca init');
      else for (const line of columns(['SERIAL', 'OF', 'UNTIL', 'STATE', 'NAMES'], rows, out)) out.line(line);
    }
    return EXIT.done;
  });
}

export async function caBundle(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async (place) => {
    const bundle = bundleOf(await caOf(place, invocation).authorities());
    if (bundle === '') throw refused('there is no authority yet', 'Make one with: countersign ca init');
    if (invocation.json) out.json({ bundle });
    else out.line(bundle.trimEnd());
    return EXIT.done;
  });
}

export async function caRevoke(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const serial = plainSerial(invocation.positionals[0] ?? '');
  if (!/^[0-9a-f]{1,40}$/.test(serial)) throw usage('SERIAL is a number in hex', 'countersign ca list shows it.');
  return atWork(invocation, async (place) => {
    const { store } = place;
    if (dryRun) return wouldDo(invocation, `would revoke  ${serial}`, { serial });
    const issuing = (await caOf(place, invocation).current())?.serial ?? null;
    const { kind, of } = await revokeCertificate(store.records, serial, issuing, systemClock());
    const type = kind === 'authority' ? 'ca.retired' : 'certificate.revoked';
    await place.record({ type, subject: serial, detail: { of } });
    if (invocation.json) out.json({ serial, kind, of });
    else out.line(`revoked  ${serial}  ${of}`);
    return EXIT.done;
  });
}
