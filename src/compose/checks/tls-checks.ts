import { join } from 'node:path';
import type { FileChecks } from './file-checks.ts';
import type { Findings } from './findings.ts';
import type { Place } from './place.ts';
import { servicePattern } from '../schema/schema-words.ts';

/** What is wrong with how connections are secured. */
export function checkTls(root: Place, all: FileChecks, found: Findings): void {
  const files = besidesKept(root, all);
  for (const [service, kept] of root.get('certificates').entries()) {
    const place = kept.get('folder');
    if (place.text !== null) all.writable({ ...place, text: `${place.text}/${service}.crt` }, found);
  }
  const listener = root.get('tls');
  for (const key of ['cert', 'key', 'clientCa']) files.present(listener.get(key), found);
  for (const key of ['cert', 'key']) files.present(root.get('adminTls').get(key), found);
  const given = (place: Place, key: string): boolean => place.get(key).value !== undefined;
  const asks = given(listener, 'clientCa');
  const knows = given(listener, 'trustDomain') || given(listener, 'subjects');
  if (asks && !knows)
    found.faults.push(
      listener
        .get('clientCa')
        .keyFault(
          'no client certificate could prove anybody',
          'write trustDomain, or subjects with the services by common name',
        ),
    );
  for (const key of ['trustDomain', 'subjects'])
    if (given(listener, key) && !asks)
      found.faults.push(listener.get(key).keyFault(`"${key}" without "clientCa" means nothing`, 'write clientCa'));
  for (const [, service] of listener.get('subjects').entries())
    if (service.text !== null && !servicePattern.test(service.text))
      found.faults.push(
        service.fault(`"${service.text}" is no name of a service`, 'write a name as keys create takes it'),
      );
  for (const [, service] of root.get('services').entries()) checkService(service, asks, files, found);
}

function checkService(service: Place, asks: boolean, files: FileChecks, found: Findings): void {
  for (const scheme of service.get('accept').items())
    if (scheme.text === 'client-certificate' && !asks)
      found.faults.push(
        scheme.fault(
          'no listener asks for client certificates',
          'write tls: { cert, key, clientCa, trustDomain } at the top of the file',
        ),
      );
  const tls = service.get('tls');
  if (tls.value === undefined) return;
  if (!(service.get('upstream').text ?? 'https:').toLowerCase().startsWith('https:'))
    found.faults.push(tls.keyFault('the upstream is not an https address', 'write https://, or leave out tls'));
  for (const key of ['ca', 'cert', 'key']) files.present(tls.get(key), found);
  if ((tls.get('cert').value === undefined) !== (tls.get('key').value === undefined))
    found.faults.push(tls.keyFault('cert and key belong together', 'write both, or neither'));
}

/** What is kept by `certificates` is made before it is needed. */
function besidesKept(root: Place, files: FileChecks): FileChecks {
  const made = new Set(
    root
      .get('certificates')
      .entries()
      .flatMap(([service, kept]) =>
        [`${service}.crt`, `${service}.key`, 'ca.pem'].map((name) => join(kept.get('folder').text ?? '', name)),
      ),
  );
  return {
    ...files,
    present: (place, found) => (made.has(join(place.text ?? '')) ? undefined : files.present(place, found)),
  };
}
