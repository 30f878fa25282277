import { existsSync } from 'node:fs';
import type { StackConfig } from '../compose/config.ts';
import { loadCheckedConfig } from '../compose/load/checked-config.ts';
import { storeDespiteFaults } from '../compose/load/despite-faults.ts';
import { configText } from '../compose/schema/config-text.ts';
import { loadConfig, type LoadOptions } from '../compose/load/load.ts';
import { openStore, requireSchema } from '../compose/open-store.ts';
import { stackSeal } from '../compose/wiring/stack-seal.ts';
import { recordAct } from '../audit/chain/link.ts';
import { systemClock } from '../core/clock.ts';
import type { Act } from '../core/event.ts';
import { hasCode, type Store } from '../core/store.ts';
import { messageOf } from '../core/message-of.ts';
import type { Seal } from '../crypto/seal.ts';
import { commandActor } from './command-actor.ts';
import type { Invocation } from './command.ts';
import { refused } from './failure.ts';

/** What a command works on: the configuration and the store itself. No running server is needed. */
export interface Workplace {
  readonly config: StackConfig;
  readonly store: Store;
  /** Takes down in the audit what was done. It was done, so a fault here is a warning. */
  record(act: Act): Promise<void>;
}

/** Throws a ConfigError with every fault, or a Failure when there is no file at all. Callers without a key are no fault yet, nor files that only the server sees. */
export async function readConfig(invocation: Pick<Invocation, 'configFile' | 'env'>): Promise<StackConfig> {
  requireConfig(invocation);
  return loadConfig(invocation.configFile, invocation.env, { keyHolders: 'unchecked', namedFiles: 'unneeded' });
}

/** As readConfig, and every caller must be known: for `validate` and `serve`. A text counts in place of the file's own. */
export async function readCheckedConfig(
  invocation: Pick<Invocation, 'configFile' | 'env'>,
  options: Pick<LoadOptions, 'text' | 'mcpConfig'> = {},
): Promise<StackConfig> {
  if (options.text === undefined) requireConfig(invocation);
  return loadCheckedConfig(invocation.configFile, invocation.env, options);
}

/** The text of the configuration as it is now. */
export function readConfigText(invocation: Pick<Invocation, 'configFile'>): string {
  requireConfig(invocation);
  return configText(invocation.configFile);
}

function requireConfig(invocation: Pick<Invocation, 'configFile'>): void {
  if (!existsSync(invocation.configFile)) {
    throw refused(
      `there is no configuration at ${invocation.configFile}`,
      'Write one with `countersign init`, or name yours with --config FILE.',
    );
  }
}

/** Opens the store for one piece of work and closes it whatever comes of it. Rejects where its schema is behind. */
export function atWork<T>(invocation: Invocation, work: (place: Workplace) => Promise<T>): Promise<T> {
  return atStore(invocation, onSchema(work));
}

/**
 * The same for what stops harm and cannot wait until a faulty configuration is mended. It needs nothing of it but the store: of a
 * faulty one the place has no more.
 */
export async function atUrgentWork<T>(invocation: Invocation, work: (place: Workplace) => Promise<T>): Promise<T> {
  return atStore(invocation, onSchema(work), await configDespiteFaults(invocation));
}

function onSchema<T>(work: (place: Workplace) => Promise<T>) {
  return async (place: Workplace) => {
    await requireSchema(place.store);
    return work(place);
  };
}

async function configDespiteFaults(invocation: Invocation): Promise<StackConfig> {
  const { configFile, env, out } = invocation;
  try {
    return await readConfig(invocation);
  } catch (error) {
    if (!hasCode(error, 'config_invalid')) throw error;
    const config = storeDespiteFaults(configText(configFile), configFile, env);
    const store = config?.store;
    if (!config || (store?.kind === 'sqlite' && !existsSync(store.file))) throw error;
    const where = store?.kind === 'sqlite' ? `sqlite:${store.file}` : `its ${store?.kind} store`;
    out.warn(`${configFile} has faults, which \`countersign validate\` names; this is done all the same, in ${where}`);
    return config;
  }
}

/** The same, however its schema stands. */
export async function atStore<T>(
  invocation: Invocation,
  work: (place: Workplace) => Promise<T>,
  given?: StackConfig,
): Promise<T> {
  const config = given ?? (await readConfig(invocation));
  if (config.store.kind === 'memory') {
    throw refused(
      'the store is "memory:", which only the running server can see',
      'Use the HTTP API, or write a store that lasts: store: sqlite:.countersign/state.db',
    );
  }
  const store = await openStore(config.store, invocation.env);
  try {
    return await work({ config, store, record: (act) => recorded(store, act, invocation) });
  } finally {
    await store.close();
  }
}

/**
 * Takes down in the audit what was done outside of the store, where a configuration names one. It stays done whatever comes of
 * this, so a store that cannot be had is a warning. Without a configuration there is no audit.
 */
export async function recordOutside(invocation: Invocation, act: Act): Promise<void> {
  if (!existsSync(invocation.configFile)) return;
  await orWarned(invocation, () => atWork(invocation, ({ record }) => record(act)));
}

function recorded({ events }: Store, act: Act, invocation: Invocation): Promise<void> {
  const { env, text } = invocation;
  return orWarned(invocation, async () => {
    await recordAct({ events, clock: systemClock }, { reason: text('reason'), ...act }, commandActor(env));
  });
}

async function orWarned({ out }: Invocation, record: () => Promise<void>): Promise<void> {
  try {
    await record();
  } catch (error) {
    out.warn(`done, but not in the audit: ${messageOf(error)}`);
  }
}

/** The same master key as the server's. */
export function sealOf(config: StackConfig, { env, out }: Invocation): Seal {
  return stackSeal(config, env, (text) => out.talk(text));
}
