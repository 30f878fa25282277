import type { Clock } from '../../core/clock.ts';
import { clockWarnings } from '../clock-warnings.ts';
import type { Server } from './server.ts';

/** The part of maxmemory from which on it is time to act. */
const nearlyFull = 0.9;

/** What about the server endangers what is kept in it. */
export async function redisWarnings(server: Server, clock: Clock): Promise<string[]> {
  return [
    ...warningsOf(await infoOf(server)),
    ...(await displacedWarnings(server)),
    ...(await timeWarnings(server, clock)),
  ];
}

/** By name. INFO rather than CONFIG: hosted servers refuse the latter. */
export async function infoOf(server: Server): Promise<Readonly<Record<string, string>>> {
  const text = String(await server.ask((client) => client.info()));
  return Object.fromEntries(text.split('\r\n').map((line) => line.split(':', 2)));
}

async function timeWarnings(server: Server, clock: Clock): Promise<string[]> {
  const asked = clock();
  const [seconds, micros] = (await server.ask((client) => client.time())) as [number | string, number | string];
  return clockWarnings(`Redis at ${server.place}`, Number(seconds) + Number(micros) / 1e6, asked, clock());
}

async function displacedWarnings(server: Server): Promise<string[]> {
  const count = Number(await server.ask((client) => client.llen('countersign:decisions-displaced')));
  if (count === 0) return [];
  return [
    `Redis has ${count} in the list countersign:decisions-displaced: decisions that somebody put in under numbers that no server gives, behind which none could be added; see who else may write there, then delete the list`,
  ];
}

function warningsOf(info: Readonly<Record<string, string>>): string[] {
  const { maxmemory_policy: policy, aof_enabled: log } = info;
  const warnings: string[] = [];
  // It throws away one-time values, limits and tokens first, and keys and revocations next.
  if (policy !== undefined && policy !== 'noeviction')
    warnings.push(
      `Redis has maxmemory-policy ${policy}: when its memory is full it throws away keys, tokens and revocations, so that revoked keys may live again; set maxmemory-policy noeviction`,
    );
  if (log === '0')
    warnings.push(
      'Redis has appendonly no: when it restarts, keys, tokens and revocations since its last snapshot are lost, all of them where it makes none; set appendonly yes',
    );
  const [used, max] = [Number(info['used_memory']), Number(info['maxmemory'])];
  if (max > 0 && used > max * nearlyFull)
    warnings.push(
      `Redis uses ${Math.floor((used / max) * 100)} % of its maxmemory: when it is full it takes no key, no revocation, no one-time value and no decision; give it more memory`,
    );
  if (info['aof_last_write_status'] === 'err' || info['rdb_last_bgsave_status'] === 'err')
    warnings.push(
      'Redis cannot save to its disk: what it takes is lost when it restarts, and it may take nothing more; make room, and see its log',
    );
  return warnings;
}
