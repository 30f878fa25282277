import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { revokedCertificateKind } from '../core/certificate.ts';
import type { Clock } from '../core/clock.ts';
import type { RecordStore } from '../core/record.ts';
import { replaceWhole, written } from '../keys/targets/whole-file.ts';
import { CertificateError } from './certificate-error.ts';
import {
  bundleOf,
  certificateKind,
  type CertificateRecord,
  type CertificateRequest,
  type InternalCa,
} from './internal-ca.ts';
import type { Issued } from './issue.ts';
import { serialOf } from './serial-of.ts';

/** A certificate that is kept in files and renewed before it ends. */
export interface KeptCertificate extends CertificateRequest {
  /** Absolute. Holds <service>.crt, <service>.key and ca.pem. */
  readonly folder: string;
}

export interface KeptFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export function keptFiles({ folder, service }: Pick<KeptCertificate, 'folder' | 'service'>): KeptFiles {
  return {
    cert: join(folder, `${service}.crt`),
    key: join(folder, `${service}.key`),
    ca: join(folder, 'ca.pem'),
  };
}

export interface KeeperOptions {
  readonly ca: InternalCa;
  readonly records: RecordStore;
  readonly clock: Clock;
}

/** Why it is to be renewed; null while it is good. A third of its life is left for repairs. */
export async function dueReason(kept: KeptCertificate, { ca, records, clock }: KeeperOptions): Promise<string | null> {
  const { cert, key } = keptFiles(kept);
  let serial: string;
  try {
    const certificate = readFileSync(cert, 'utf8');
    createSecureContext({ cert: certificate, key: readFileSync(key, 'utf8') });
    serial = serialOf(certificate);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it is not there yet' : 'its files do not fit together';
  }
  const now = clock();
  if (await records.get(revokedCertificateKind, serial, now)) return 'it is revoked';
  const stored = await records.get(certificateKind, serial, now);
  if (!stored) return 'it has ended, or is not ours';
  const record = stored.value as unknown as CertificateRecord;
  if (record.notAfter - now < (record.notAfter - record.notBefore) / 3) return 'it ends soon';
  if (record.service !== kept.service || JSON.stringify(record.hosts) !== JSON.stringify(kept.hosts))
    return 'its names are others by now';
  return record.authority === (await ca.current())?.serial ? null : 'its authority issues no more';
}

/** Issues a certificate and writes its files. Rejects with a CertificateError; where no file can be written, none is issued. */
export async function renewInto(kept: KeptCertificate, { ca }: Pick<KeeperOptions, 'ca'>): Promise<Issued> {
  const files = keptFiles(kept);
  // What is issued is on record until it ends, and every look at a folder that is missing would add one.
  writing(files.key, (file) => rmSync(written(file, '')));
  const issued = await ca.issue(kept);
  await writeBundle(kept, ca);
  // The key first: whoever is told of the certificate finds its key there.
  put(files.key, issued.privateKey, 0o600);
  put(files.cert, issued.certificate, 0o644);
  return issued;
}

/** What is trusted changes without any certificate being due. True when it was written. */
export async function writeBundle(kept: KeptCertificate, ca: InternalCa): Promise<boolean> {
  const file = keptFiles(kept).ca;
  const bundle = bundleOf(await ca.authorities());
  let known = '';
  try {
    known = readFileSync(file, 'utf8');
  } catch {
    // It is written below, or the reason is said there.
  }
  if (bundle === known || bundle === '') return false;
  put(file, bundle, 0o644);
  return true;
}

function put(file: string, text: string, mode: number): void {
  writing(file, () => replaceWhole(file, text, mode));
}

function writing(file: string, work: (file: string) => void): void {
  try {
    work(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new CertificateError(
      'certificate_not_written',
      `${file} cannot be written (${code}): its folder must exist and be ours to write`,
    );
  }
}
