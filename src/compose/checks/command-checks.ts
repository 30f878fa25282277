import type { FileChecks } from './file-checks.ts';
import type { Findings } from './findings.ts';
import type { Place } from './place.ts';

const onlyWithCommand = ['args', 'cwd', 'env', 'envFile', 'secrets', 'processes'];
const onlyWithUpstream = ['upstreamKey', 'passCredential'];

/** A service is reached over HTTP or run here, and each has words of its own. */
export function checkCommand(name: string, service: Place, files: FileChecks, found: Findings): void {
  const given = (key: string): boolean => service.get(key).value !== undefined;
  if (typeof service.value !== 'object' || service.value === null) return;
  if (given('upstream') === given('command'))
    found.faults.push(
      given('upstream')
        ? service.get('command').keyFault('the service has both an upstream and a command', 'write one of the two')
        : service.keyFault(
            `"upstream" is missing in service "${name}"`,
            'write the address of the service: upstream: http://127.0.0.1:8081, or, to run an MCP server here, command: npx',
          ),
    );
  const [strangers, needed] = given('command') ? [onlyWithUpstream, 'upstream'] : [onlyWithCommand, 'command'];
  for (const key of strangers)
    if (given(key))
      found.faults.push(
        service.get(key).keyFault(`"${key}" without "${needed}" means nothing`, `leave it out, or write ${needed}`),
      );
  if (!given('command')) return;
  files.secret(service.get('envFile'), found);
  checkSecrets(service, files, found);
}

function checkSecrets(service: Place, files: FileChecks, found: Findings): void {
  const plain = new Set(
    service
      .get('env')
      .entries()
      .map(([name]) => name),
  );
  for (const [name, secret] of service.get('secrets').entries()) {
    if (plain.has(name))
      found.faults.push(secret.keyFault(`${name} stands in env too`, 'write it in one of the two places'));
    const sources = secret.entries().map(([source]) => source);
    if (secret.value !== null && typeof secret.value === 'object' && sources.length !== 1)
      found.faults.push(secret.fault(`${name} must come from one place`, 'write { file: … } or { env: … }'));
    files.secret(secret.get('file'), found);
  }
}
