import type { ListenAddress } from '../config.ts';
import { shown } from '../faults.ts';
import type { Findings } from './findings.ts';
import type { Place } from './place.ts';
import { collide, isLoopback, listenAddress } from '../schema/quantities.ts';

interface Listener {
  readonly address: ListenAddress;
  readonly place: Place;
}

/** Every address that we listen on, each checked against those before it. */
export function listenerFindings(root: Place, found: Findings): ListenAddress[] {
  const services = root.get('services').entries();
  const places: (readonly [Place, string])[] = [
    [root.get('listen'), '127.0.0.1:8700'],
    [root.get('adminListen'), '127.0.0.1:8701'],
    ...services.map(([, service]) => [service.get('listen'), ''] as const),
  ];
  const taken: Listener[] = [];
  for (const [place, usual] of places) {
    const text = place.value === undefined ? usual : place.text;
    if (text === null || text === '') continue;
    const address = listenAddress(text);
    if (address) add({ address, place }, taken, found);
    else
      found.faults.push(
        place.fault(
          `${shown(text)} is not an address to listen on`,
          'write host and port: 127.0.0.1:8700 or [::1]:8700',
        ),
      );
  }
  const admin = root.get('adminListen');
  const host = listenAddress(admin.text ?? '')?.host;
  if (host !== undefined && !isLoopback(host))
    found.warnings.push(
      admin.fault(
        `the admin endpoints listen beyond this machine (${host})`,
        'write 127.0.0.1 and reach them through a tunnel, unless the network is yours alone',
      ),
    );
  return taken.map(({ address }) => address);
}

function add(listener: Listener, taken: Listener[], found: Findings): void {
  const { address, place } = listener;
  const other = taken.find((earlier) => collide(earlier.address, address));
  // Of a default and what is written, the written one can be mended.
  const at = place.value === undefined ? other?.place : place;
  if (other && at)
    found.faults.push(
      at.fault(
        `${address.host}:${address.port} is listened on already (${other.address.host}:${other.address.port})`,
        'give each listen, adminListen and service a port of its own',
      ),
    );
  taken.push(listener);
}
