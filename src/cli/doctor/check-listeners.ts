import { readFileSync } from 'node:fs';
import type { StackConfig } from '../../compose/config.ts';
import { repair, type Finding } from './finding.ts';

/** Upstreams on this machine whose port others reach, too. Linux only: elsewhere nothing is found. */
export function checkListeners(config: StackConfig, table = listeningTable()): Finding[] {
  const open = openPorts(table);
  return config.services.flatMap(({ name, upstream, command }) => {
    // One that is run here listens nowhere.
    if (command !== null) return [];
    const { hostname, port, protocol } = new URL(upstream);
    const number = Number(port || (protocol === 'https:' ? 443 : 80));
    if (!/^(?:localhost|127\.[0-9.]+|\[::1\])$/.test(hostname) || !open.has(number)) return [];
    return [
      {
        check: 'open-listener',
        place: `port ${number}`,
        severity: 'high' as const,
        what: `${name} listens on every address of this machine`,
        why: 'Whoever reaches the machine reaches the service itself, around the gateway.',
        repair: repair({ words: `Let ${name} listen on 127.0.0.1 only, or close the port to all but this machine.` }),
      },
    ];
  });
}

/** `/proc/net/tcp` and `/proc/net/tcp6`, one after the other. */
function listeningTable(): string {
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .map((file) => {
      try {
        return readFileSync(file, 'utf8');
      } catch {
        return '';
      }
    })
    .join('\n');
}

const listening = '0A';

/** Addresses are in hexadecimal, each four bytes of them in the order of the machine. */
export function openPorts(table: string): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const line of table.split('\n')) {
    const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) \S+ ([0-9A-F]{2}) /.exec(line);
    if (!match || match[3] !== listening) continue;
    const [, address = '', port = ''] = match;
    if (!isLoopback(address)) ports.add(Number.parseInt(port, 16));
  }
  return ports;
}

function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F');
  return address === '00000000000000000000000001000000' || /^0{16}FFFF0000.{6}7F$/.test(address);
}
