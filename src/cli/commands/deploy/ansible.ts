import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { serviceIdFault } from '../../../keys/service-id.ts';
import { memoryFolder } from '../../../secrets/memory-folder.ts';
import { exitNotFound, runChild } from '../../child.ts';
import type { Invocation } from '../../command.ts';
import { codeOf, EXIT, refused, unreachable, usage } from '../../failure.ts';
import { columns } from '../../output.ts';
import { withinFolder } from '../../within-folder.ts';
import { keysToDeliver } from './keys.ts';

const actions = ['verify', 'deploy', 'rotate', 'rollback'];
const collection = join(import.meta.dirname, '../../../../deploy/ansible');
const installAnsible = 'Install it, on Debian for instance with: apt-get install ansible';
/** Of ansible-playbook: some host could not be reached. */
const exitUnreachable = 4;

export async function deployAnsible(invocation: Invocation): Promise<number> {
  const [action = '', ...further] = invocation.positionals;
  if (!actions.includes(action)) throw usage(`"${action}" is none of ${actions.join(', ')}`);
  if (invocation.flag('retire') && action !== 'rotate') throw usage('--retire goes with rotate only');
  if (action === 'rollback' && invocation.text('keys') !== null) throw usage('a rollback needs no --keys');
  const given = invocation.text('inventory');
  if (given === null)
    throw usage('deploy ansible needs --inventory FILE', `Copy ${collection}/inventory/six-hosts.yml`);
  const inventory = resolve(given);
  if (!existsSync(inventory)) throw refused(`there is no inventory at ${inventory}`);
  const services = action === 'rollback' ? [] : servicesOf(invocation, inventory);
  const keys = services.length === 0 ? new Map<string, string>() : await keysToDeliver(invocation, services);
  return withinFolder(memoryFolder(invocation.env), (folder) => {
    const args = ['-i', inventory, `countersign.stack.${action}`, ...prepare(folder, keys)];
    const limit = invocation.text('limit');
    if (limit !== null) args.push('--limit', limit);
    if (invocation.flag('retire')) args.push('-e', 'service_keys_retire=true');
    if (invocation.dryRun) args.push('--check');
    return play(invocation, folder, [...args, ...further]);
  });
}

/** What Ansible reads there: the collection, and each key in a file of its own. */
function prepare(folder: string, keys: ReadonlyMap<string, string>): string[] {
  const namespace = join(folder, 'collections/ansible_collections/countersign');
  mkdirSync(namespace, { recursive: true });
  symlinkSync(collection, join(namespace, 'stack'));
  const source = join(folder, 'keys');
  mkdirSync(source, { mode: 0o700 });
  for (const [service, key] of keys) writeFileSync(join(source, `${service}.key`), key, { mode: 0o600, flag: 'wx' });
  return ['-e', JSON.stringify({ service_keys_source: source })];
}

/** Ansible's own text is talk; the result is what became of each host. */
async function play(invocation: Invocation, folder: string, args: readonly string[]): Promise<number> {
  const { env, out } = invocation;
  const places = [join(folder, 'collections'), env['ANSIBLE_COLLECTIONS_PATH']].filter((place) => place);
  let text = '';
  let unsaid = '';
  const code = await runChild(invocation, ['ansible-playbook', ...args], {
    // Pipelining keeps the keys out of temporary files on the hosts.
    env: { ANSIBLE_PIPELINING: '1', ...env, ANSIBLE_COLLECTIONS_PATH: places.join(delimiter) },
    stdio: ['inherit', 'pipe', 'inherit'],
    onText: (piece) => {
      text += piece;
      const lines = (unsaid + piece).split('\n');
      unsaid = lines.pop() ?? '';
      for (const line of lines) out.talk(line);
    },
  });
  if (code === exitNotFound) throw unreachable('ansible-playbook cannot be started', installAnsible);
  const hosts = recapOf(text);
  if (invocation.json) out.json({ dry_run: invocation.dryRun, done: code === 0, hosts });
  else
    for (const line of columns(
      ['HOST', 'RESULT'],
      hosts.map((host) => rowOf(host, invocation.dryRun)),
      out,
    ))
      out.line(line);
  if (code === 0) return EXIT.done;
  return code === exitUnreachable || hosts.some(({ result }) => result === 'unreachable')
    ? EXIT.unreachable
    : EXIT.refused;
}

interface HostResult {
  readonly host: string;
  readonly result: 'failed' | 'unreachable' | 'changed' | 'unchanged';
}

/** From the lines with which a run of Ansible ends. Colours are there where the environment forces them. */
function recapOf(text: string): HostResult[] {
  // oxlint-disable-next-line no-control-regex
  const plain = text.replace(/\u001b\[[0-9;]*m/g, '');
  const counts = /^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)/gm;
  return [...plain.slice(plain.lastIndexOf('PLAY RECAP')).matchAll(counts)].map(
    ([, host = '', changed, away, failed]) => {
      if (failed !== '0') return { host, result: 'failed' };
      if (away !== '0') return { host, result: 'unreachable' };
      return { host, result: changed === '0' ? 'unchanged' : 'changed' };
    },
  );
}

function rowOf(
  { host, result }: HostResult,
  isDryRun: boolean,
): readonly [string, { text: string; style: 'red' | 'green' | 'dim' }] {
  const style = result === 'changed' ? 'green' : result === 'unchanged' ? 'dim' : 'red';
  return [host, { text: isDryRun && result === 'changed' ? 'would change' : result, style }];
}

/** The services of the inventory's group countersign_services. */
function servicesOf(invocation: Invocation, inventory: string): string[] {
  let text: string;
  try {
    text = execFileSync('ansible-inventory', ['-i', inventory, '--list'], {
      env: { ...invocation.env },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw unreachable('ansible-inventory cannot be started', installAnsible);
    throw refused(`${inventory} cannot be read by Ansible`);
  }
  const listed: Listing = JSON.parse(text);
  const vars = (listed['_meta'] as { hostvars?: HostVars } | undefined)?.hostvars ?? {};
  const hosts = hostsOf(listed, 'countersign_services', new Set());
  if (hosts.length === 0) throw refused(`${inventory} has no host in the group countersign_services`);
  return [...new Set(hosts.map((host) => serviceOf(host, vars[host] ?? {})))];
}

type Listing = Readonly<Record<string, unknown>>;
type HostVars = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

function hostsOf(listed: Listing, group: string, seen: Set<string>): string[] {
  if (seen.has(group)) return [];
  seen.add(group);
  const { hosts = [], children = [] } = (listed[group] ?? {}) as { hosts?: string[]; children?: string[] };
  return [...hosts, ...children.flatMap((child) => hostsOf(listed, child, seen))];
}

/** As the role's default has it: the host's name, unless service_keys_service says otherwise. */
function serviceOf(host: string, { service_keys_service: said }: Readonly<Record<string, unknown>>): string {
  const service = typeof said === 'string' ? said : host;
  const fault = serviceIdFault(service);
  if (fault !== null) throw refused(`the service of host ${host}, "${service}": ${fault}`);
  return service;
}
