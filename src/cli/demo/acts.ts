import { setTimeout as pause } from 'node:timers/promises';
import type { Report } from '../../audit/report/report.ts';
import { askEmbeddings } from './answers.ts';
import { bearer, groups, type Group } from './calls.ts';
import { caller, expiry, type Credentials, type IssuedKey } from './credentials.ts';
import type { Stage } from './stage.ts';
import { perform, type Story } from './story.ts';
import { openSocket } from './websocket-answer.ts';

const patienceMillis = 15_000;

export function introduce(told: Story, stage: Stage): void {
  told.act('Countersign: one authenticated door for a stack of AI services');
  told.say('On this machine run now, as one finds them at home, five services. None of them asks who is calling.');
  told.say();
  for (const { name, what } of stage.services) told.say(`  ${name.padEnd(20)}${what}`);
  told.say();
  told.say(`In front of them stands \`countersign serve\`, at ${stage.gateway}/<service>/, with a store in one file.`);
  told.say(
    'Keys come from `countersign keys create`, tokens from `countersign tokens create`; one of each was revoked since.',
  );
}

/** In report everything passes; afterwards the report names what enforce would refuse. */
export async function watch(told: Story, stage: Stage, held: Credentials): Promise<void> {
  told.act('1  Watch: mode report');
  told.say('Every call is judged and written down, and every call passes. What works today goes on working.');
  told.say('Behind a 200 stands whom the service was told is calling (X-Auth-Principal).');
  told.say();
  await expiry(held.expired);
  const acts = groups(stage.gateway, held);
  await perform(told, acts, (call) => call.inReport);

  told.say();
  told.command('countersign report --since 1h');
  const refusals = refusedBy(acts);
  const report = await reportOf(stage, refusals.length);
  told.refusals(report);
  told.say();
  const missing = refusals.filter(
    (wanted) => !report.would_deny_groups.some((group) => wanted === key(group.service, group.reason)),
  );
  told.line(
    'what enforce would refuse',
    'all listed',
    missing.length === 0 ? 'all listed' : `not listed: ${missing.join(', ')}`,
  );
  told.line('what was refused', 'nothing', report.denied === 0 ? 'nothing' : `${report.denied} requests`);
  told.say();
  told.say(
    `${report.would_deny} of ${report.requests} requests would have been refused. Their callers can be mended first.`,
  );
}

/** The same calls again, on the same server. */
export async function enforce(told: Story, stage: Stage, held: Credentials): Promise<void> {
  told.act('2  Enforce');
  told.command('countersign mode set enforce');
  await stage.countersign(['mode', 'set', 'enforce']);
  const millis = await until(async () => (await askEmbeddings(stage.gateway, {})).startsWith('401'));
  told.say(
    `No restart: it is in force on the running server${millis < 25 ? ' at once' : ` after ${millis} ms`}. The same calls again:`,
  );
  told.say();
  await perform(told, groups(stage.gateway, held), (call) => call.inEnforce);
}

/** A key is made and revoked while the server runs; what it opened is closed. */
export async function revoke(told: Story, stage: Stage): Promise<void> {
  told.act('3  Revoke');
  const { stdout } = await stage.countersign(['keys', 'create', caller, '--output', 'json']);
  const { id, key: fresh } = JSON.parse(stdout) as IssuedKey;
  told.command(`countersign keys create ${caller}`);
  const right = `200, service:${caller}`;
  let got = '';
  await until(async () => (got = await askEmbeddings(stage.gateway, bearer(fresh))) === right);
  told.line('the new key', right, got);
  const socket = await openSocket(stage.gateway, bearer(fresh));
  told.line('a WebSocket, with the new key', 'opens', socket === null ? 'refused at the handshake' : 'opens');

  told.say();
  told.command(`countersign keys revoke ${id}`);
  const started = Date.now();
  await stage.countersign(['keys', 'revoke', id]);
  const dead = '401 Invalid or expired token';
  await until(async () => (got = await askEmbeddings(stage.gateway, bearer(fresh))) === dead);
  told.line('the same key', dead, got);
  const closed = await Promise.race([socket?.closed.then(() => true), pause(patienceMillis, false, { ref: false })]);
  const note = `(${Date.now() - started} ms after the command was given)`;
  told.line(
    'the WebSocket that it had opened',
    'closed',
    closed === true ? 'closed' : 'still open',
    closed === true ? note : '',
  );
  socket?.close();
}

function key(service: string, reason: string): string {
  return `${reason} at ${service}`;
}

function refusedBy(acts: readonly Group[]): string[] {
  return acts.flatMap(({ calls }) =>
    calls.flatMap(({ refusal }) => (refusal ? [key(refusal.service, refusal.reason)] : [])),
  );
}

/** Rows are written in batches, a moment after the answers. */
async function reportOf(stage: Stage, refusals: number): Promise<Report> {
  let report: Report | null = null;
  await until(async () => {
    const { stdout } = await stage.countersign(['report', '--since', '1h', '--output', 'json']);
    report = JSON.parse(stdout) as Report;
    return report.would_deny >= refusals;
  });
  if (report === null) throw new Error('the report was never asked for');
  return report;
}

/** Tries until it is so, for a while; resolves to the milliseconds that it took. */
async function until(isSo: () => Promise<boolean>): Promise<number> {
  const started = Date.now();
  while (!(await isSo()) && Date.now() - started < patienceMillis) await pause(10);
  return Date.now() - started;
}
