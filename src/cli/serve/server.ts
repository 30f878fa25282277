import { lineWriter } from '../../audit/line-writer.ts';
import type { AuditOptions } from '../../audit/audit.ts';
import { createAuthority } from '../../authority/authority.ts';
import type { StackConfig } from '../../compose/config.ts';
import { createStack, type Stack } from '../../compose/stack.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { Invocation } from '../command.ts';
import { auditDuties } from './audit-duties.ts';
import { evidenceThread, type EvidenceThread } from './evidence-thread.ts';
import { startTracing } from './otlp.ts';
import { certificateDuties } from './certificate-duties.ts';
import { openDoors, type Doors } from './doors.ts';
import { keyDuties } from './key-duties.ts';
import { rampDuties } from './ramp-duties.ts';
import { storeDuties } from './store-duties.ts';
import { tokenDuties } from './token-duties.ts';

/** One process that serves: a stack, and the doors to it. */
export interface Server {
  readonly stack: Stack;
  readonly doors: Doors;
  /** Takes no more, finishes what is under way in so many milliseconds, and lets go of everything. */
  end(drainMillis: number, graceMillis: number): Promise<void>;
}

/** Rejects when the store cannot be used or an address cannot be had; nothing is left open then. */
export async function startServer(
  { env, out, flag }: Invocation,
  config: StackConfig,
  workers: AuditOptions['workers'] = null,
): Promise<Server> {
  const decisions = lineWriter(process.stdout);
  const stopTracing = await startTracing(env);
  const aside = keptAside(config, (text) => out.warn(text));
  const stack = await createStack({
    config,
    env,
    devMode: flag('allow-unauthenticated'),
    migrate: !flag('no-migrate'),
    logLine: (line) => decisions.line(line),
    warn: (text) => out.warn(text),
    workers,
    keeper: aside ?? undefined,
  });
  const gateway = createGateway(stack);
  const authority = await createAuthority(stack);
  const closeRest = async (): Promise<void> => {
    await gateway.close();
    await authority.close();
    await stack.audit.flush();
    await stack.close();
    // Requests that were cut off just now are decisions, too.
    await aside?.close();
    await decisions.close();
    await stopTracing?.();
  };
  const voice = { say: (text: string) => out.talk(text), warn: (text: string) => out.warn(text) };
  const certificates = await certificateDuties(stack, voice);
  let doors: Doors;
  try {
    doors = await openDoors(stack, gateway, authority);
  } catch (error) {
    await certificates.close();
    await closeRest();
    throw error;
  }
  const { config: inForce, trail } = stack;
  const worker = workers?.own ?? null;
  const detail = { version: stack.version, pid: process.pid, worker, dev_mode: stack.devMode };
  void trail.record({ type: 'server.started', subject: inForce.name, detail });
  const services = inForce.services.map(({ name }) => name);
  void trail.record({ type: 'config.loaded', subject: inForce.name, detail: { digest: inForce.digest, services } });
  const seals = aside === null ? auditDuties(stack, voice) : null;
  aside?.start();
  const keys = keyDuties(stack, voice);
  const tokens = tokenDuties(stack, voice);
  const dangers = storeDuties(stack, voice);
  const ramp = rampDuties(stack, voice);
  return {
    stack,
    doors,
    async end(drainMillis, graceMillis) {
      // What a duty waits for, be it a store or a page that tells of health, keeps no door open.
      const duties = [certificates, keys, tokens, dangers, ramp].map((duty) => duty.close());
      await Promise.all([doors.close(drainMillis, graceMillis), ...duties]);
      await stack.audit.flush();
      await seals?.close();
      await aside?.close();
      await trail.record({ type: 'server.stopped', subject: inForce.name, detail });
      await closeRest();
    },
  };
}

/** An engine that works on the thread which calls it gets one of its own; with the others that thread only waits. */
function keptAside({ store, audit }: StackConfig, warn: (text: string) => void): EvidenceThread | null {
  return store.kind === 'sqlite' && audit.rows ? evidenceThread({ file: store.file, audit }, warn) : null;
}
