import { isMap, isScalar, isSeq, type Scalar, type YAMLMap } from 'yaml';
import { isComposeFile, lineOfNode } from './check-settings.ts';
import { repair, type Edit, type Finding } from './finding.ts';
import { documentsOf, lineWith } from './settings.ts';
import type { StackFile } from './stack-files.ts';

interface Container {
  readonly file: StackFile;
  readonly name: string;
  readonly image: string;
  readonly body: YAMLMap;
}

/** What a Compose file opens to others. `ownPort`: the gateway's, which is meant to be reached. */
export function checkCompose(files: readonly StackFile[], ownPort: number | null): Finding[] {
  return files
    .filter(isComposeFile)
    .flatMap((file) =>
      containersOf(file).flatMap((container) => [
        ...openPorts(container, ownPort),
        ...redisWithoutPassword(container),
        ...trustingPostgres(container),
        ...grafanaWithoutPassword(container),
      ]),
    );
}

function containersOf(file: StackFile): Container[] {
  return documentsOf(file).flatMap((document) => {
    const services = document.get('services');
    if (!isMap(services)) return [];
    return services.items.flatMap(({ key, value }) => {
      if (!isScalar(key) || !isMap(value)) return [];
      const image = value.get('image');
      return [{ file, name: String(key.value), image: typeof image === 'string' ? image : '', body: value }];
    });
  });
}

/** Those of a front door for everybody. */
const publicPorts = new Set([80, 443]);

function openPorts({ file, name, body, image }: Container, ownPort: number | null): Finding[] {
  const ports = body.get('ports');
  if (!isSeq(ports) || /(?:^|\/)countersign(?::|@|$)/.test(image)) return [];
  return ports.items.flatMap((item) => {
    if (isMap(item)) {
      const published = Number(item.get('published'));
      const host = item.get('host_ip');
      if (!item.has('published') || isMeant(published, ownPort) || (typeof host === 'string' && isLoopback(host)))
        return [];
      const words = `Add \`host_ip: 127.0.0.1\` to the port ${published}.`;
      return [openPort(file, name, String(published), lineOfNode(file, item.range?.[0] ?? 0), null, words)];
    }
    if (!isScalar(item)) return [];
    const text = String(item.value);
    const match = /^(?:(\[[0-9a-f:]+\]|[0-9]+(?:\.[0-9]+){3}):)?(?:([0-9-]*):)?([0-9-]+(?:\/\w+)?)$/i.exec(text);
    if (!match) return [];
    const [, host = '', published = '', inside = ''] = match;
    if (isLoopback(host) || isMeant(Number(published), ownPort)) return [];
    const line = lineOfNode(file, item.range?.[0] ?? 0);
    return [
      openPort(file, name, published || 'a free one', line, edited(file, item, `"127.0.0.1:${published}:${inside}"`)),
    ];
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host === '::1' || host.startsWith('127.');
}

function isMeant(port: number, ownPort: number | null): boolean {
  return port === ownPort || publicPorts.has(port);
}

function openPort(
  file: StackFile,
  name: string,
  port: string,
  line: number,
  edit: Edit | null,
  words: string | null = null,
): Finding {
  return {
    check: 'open-port',
    place: `${file.path}:${line}`,
    severity: 'high',
    what: `${name} is published on every address of the machine (port ${port})`,
    why: 'Whoever reaches the machine reaches the service itself, around the gateway. Docker opens the port past ufw and firewalld, too.',
    repair: repair({ edit, words }),
  };
}

function redisWithoutPassword({ file, name, image, body }: Container): Finding[] {
  if (!/(?:^|\/)(?:redis|valkey|redis-stack(?:-server)?|keydb)(?::|@|$)/.test(image)) return [];
  const command = JSON.stringify(body.toJSON() ?? {});
  if (/requirepass|aclfile|redis_password|valkey_password|redis\.conf|valkey\.conf/i.test(command)) return [];
  const server = image.includes('valkey') ? 'valkey-server' : 'redis-server';
  const start = `umask 077; echo "requirepass $$REDIS_PASSWORD" > /dev/shm/server.conf; exec ${server} /dev/shm/server.conf`;
  const at = body.get('image', true);
  const range = isScalar(at) ? at.range : null;
  const line = lineOfNode(file, range?.[0] ?? 0);
  const plain = !body.has('command') && !body.has('environment') && !body.has('entrypoint');
  const imageLine = (file.text ?? '').split('\n')[line - 1] ?? '';
  const indent = /^ */.exec(imageLine)?.[0] ?? '';
  const ownLine = /^ +image:/.test(imageLine);
  const lines = [
    imageLine,
    `${indent}command: ["sh", "-c", ${JSON.stringify(start)}]`,
    `${indent}environment:`,
    `${indent}  REDIS_PASSWORD: \${REDIS_PASSWORD:?}`,
  ];
  return [
    {
      check: 'redis-without-password',
      place: `${file.path}:${line}`,
      severity: 'high',
      what: `${name} is a ${image.includes('valkey') ? 'Valkey' : 'Redis'} without a password`,
      why: 'Every program on its network reads and writes everything in it, keys of services included, and can make it run scripts.',
      repair: repair({
        commands: ['countersign secrets set redis_password --generate'],
        edit: plain && ownLine ? { file: file.path, line, lines } : null,
        words:
          plain && ownLine
            ? 'Start it with: countersign secrets run --env redis_password -- docker compose up -d. Its clients need the password from then on.'
            : `Give it REDIS_PASSWORD: \${REDIS_PASSWORD:?} in its environment and start it with: sh -c '${start}'. Its clients need the password from then on.`,
      }),
    },
  ];
}

function trustingPostgres({ file, body }: Container): Finding[] {
  const environment = body.get('environment');
  const setting = isMap(environment) ? environment.get('POSTGRES_HOST_AUTH_METHOD', true) : undefined;
  if (!isScalar(setting) || setting.value !== 'trust') return [];
  return [
    {
      check: 'postgres-without-password',
      place: `${file.path}:${lineOfNode(file, setting.range?.[0] ?? 0)}`,
      severity: 'high',
      what: 'Postgres takes everybody at their word (trust)',
      why: 'Whoever reaches the port is any user they say they are, postgres included, without a password.',
      repair: repair({ edit: edited(file, setting, 'scram-sha-256') }),
    },
  ];
}

function grafanaWithoutPassword({ file, name, image, body }: Container): Finding[] {
  if (!/(?:^|\/)grafana(?:-oss|-enterprise)?(?::|@|$)/.test(image)) return [];
  if (
    /GF_SECURITY_ADMIN_PASSWORD|GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION|grafana\.ini/.test(
      JSON.stringify(body.toJSON() ?? {}),
    )
  )
    return [];
  const at = body.get('image', true);
  const line = lineOfNode(file, (isScalar(at) ? at.range?.[0] : undefined) ?? 0);
  return [
    {
      check: 'guessable-password',
      place: `${file.path}:${line}`,
      severity: 'high',
      what: `${name} is a Grafana whose admin has the password that it comes with (admin)`,
      why: 'Whoever reaches the port gets in with the first guess, and reads every data source from there.',
      repair: repair({
        commands: ['countersign secrets set gf_security_admin_password --generate'],
        words:
          'Add GF_SECURITY_ADMIN_PASSWORD: ${GF_SECURITY_ADMIN_PASSWORD:?} to its environment. On one that has started before only this helps: echo admin | countersign passwords rotate grafana http://admin@127.0.0.1:3000 --current-stdin',
      }),
    },
  ];
}

function edited(file: StackFile, scalar: Scalar, written: string): Edit | null {
  if (!scalar.range || file.text === null) return null;
  const [start, end] = scalar.range;
  return { file: file.path, line: lineOfNode(file, start), lines: [lineWith(file.text, [start, end], written)] };
}
