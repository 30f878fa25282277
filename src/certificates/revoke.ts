import { revokedCertificateKind } from '../core/certificate.ts';
import { everyRecord, type RecordStore } from '../core/record.ts';
import { CertificateError } from './certificate-error.ts';
import { authorityKind, certificateKind, type CertificateRecord } from './internal-ca.ts';

export interface ListedCertificate extends CertificateRecord {
  readonly serial: string;
  readonly revoked: boolean;
}

/** Certificates that have not expired, those that end first first. */
export async function listCertificates(records: RecordStore, now: number): Promise<ListedCertificate[]> {
  const revoked = new Set((await everyRecord(records, revokedCertificateKind, now)).map(({ id }) => id));
  const found = await everyRecord(records, certificateKind, now);
  return found
    .map(({ id, value }) => ({ ...(value as unknown as CertificateRecord), serial: id, revoked: revoked.has(id) }))
    .sort((a, b) => a.notAfter - b.notAfter);
}

/**
 * Ends a certificate before its time, on every listener of the stack. An authority that does not issue any more is taken out of
 * what is trusted, and its key with it. Resolves to what it was of.
 */
export async function revokeCertificate(
  records: RecordStore,
  serial: string,
  issuing: string | null,
  now: number,
): Promise<{ readonly kind: 'certificate' | 'authority'; readonly of: string }> {
  const authority = await records.get(authorityKind, serial, now);
  if (authority) {
    const { name } = authority.value as { name: string };
    if (serial === issuing)
      throw new CertificateError('ca_changed', `${name} issues certificates: rotate it first (countersign ca rotate)`);
    if (!(await records.remove(authorityKind, serial, authority.revision, now)))
      throw new CertificateError('ca_changed', 'somebody else changed the authority at the same moment');
    return { kind: 'authority', of: name };
  }
  const certificate = await records.get(certificateKind, serial, now);
  if (!certificate)
    throw new CertificateError(
      'certificate_unknown',
      `no certificate with the serial ${serial} is in use; see: countersign ca list`,
    );
  const { service, notAfter } = certificate.value as unknown as CertificateRecord;
  // Null where it is revoked already, which is what was wanted.
  await records.put(
    { kind: revokedCertificateKind, id: serial, value: { service, revokedAt: now }, expiresAt: notAfter },
    null,
    now,
  );
  return { kind: 'certificate', of: service };
}
