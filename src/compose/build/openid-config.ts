import { resolve } from 'node:path';
import type { OpenidConfig } from '../config.ts';
import type { FileChecks } from '../checks/file-checks.ts';
import type { Findings } from '../checks/findings.ts';
import { checkAddress } from '../checks/oauth-checks.ts';
import type { Place } from '../checks/place.ts';
import type { RawConfig } from '../schema/schema.ts';

export function openidOf(raw: RawConfig['operators'], folder: string): OpenidConfig | null {
  const openid = raw?.openid;
  if (!openid) return null;
  const { issuer, clientId, clientSecretFile, scopes = [], nameClaim = 'sub', roleClaim, roles } = openid;
  return {
    issuer,
    clientId,
    clientSecretFile: clientSecretFile === undefined ? null : resolve(folder, clientSecretFile),
    scopes,
    nameClaim,
    roleClaim,
    roles: { operator: roles.operator ?? [], viewer: roles.viewer ?? [] },
  };
}

export function checkOpenid(root: Place, files: FileChecks, found: Findings): void {
  const openid = root.get('operators').get('openid');
  checkAddress(openid.get('issuer'), 'the issuer', found);
  files.present(openid.get('clientSecretFile'), found);
  const roles = openid.get('roles');
  if (roles.value !== undefined && roles.entries().length === 0)
    found.faults.push(roles.fault('nobody may log in', 'write who may: roles: { operator: [admins] }'));
  const viewers = new Set(
    roles
      .get('viewer')
      .items()
      .map(({ text }) => text),
  );
  for (const value of roles.get('operator').items())
    if (value.text !== null && viewers.has(value.text))
      found.faults.push(value.fault('the same value makes an operator and a viewer', 'write it once'));
}
