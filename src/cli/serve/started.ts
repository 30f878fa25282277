import { existsSync } from 'node:fs';
import type { StoreConfig } from '../../compose/config.ts';
import { readEnvironment } from '../../compose/env.ts';
import type { Stack } from '../../compose/stack.ts';
import { accounts } from '../../operators/account.ts';
import type { Invocation } from '../command.ts';
import { lostEnforcement, rampInForce, rampWords, type RampInForce } from '../in-force.ts';
import type { Doors } from './doors.ts';

/** Says what runs, where, and whether it enforces. */
export async function sayStarted(stack: Stack, doors: Doors, { env, out }: Invocation): Promise<void> {
  const { config } = stack;
  const names = ['gateway', 'admin', 'store', 'keys', 'operators', ...config.services.map(({ name }) => name)];
  const width = Math.max(...names.map((name) => name.length));
  const row = (name: string, text: string): void => out.talk(`  ${out.paintTalk('dim', name.padEnd(width))}  ${text}`);
  const url = (name: string): string => doors.open.find((door) => door.name === name)?.url ?? '';
  out.talk(`${out.paintTalk('bold', 'countersign')} ${stack.version}, stack "${config.name}"`);
  row('gateway', `${url('gateway')}/<service>/`);
  row('admin', url('admin'));
  row('store', storeWords(config.store, readEnvironment(env).environment.store));
  row(
    'keys',
    `${stack.keyring.size} known${stack.admin.configured ? '' : '; no admin token is set, so nobody is an admin'}`,
  );
  // Commands make them where there is a configuration.
  if (config.file !== null && existsSync(config.file) && !(await hasOperators(stack)))
    row('operators', 'none yet; make one: countersign operators create NAME --role operator');
  const ramp = rampInForce({ config, modes: stack.modes, state: stack.ramp.state() });
  for (const service of config.services) {
    const own = doors.open.find((door) => door.service === service.name);
    const mode = rampWords(ramp, service.name) || stack.modes.modeOf(service.name, '*', null);
    row(service.name, `${mode.padEnd(7)}  to ${service.upstream}${own ? `, own port ${own.url}` : ''}`);
  }
  if (stack.devMode) {
    out.talk(out.paintTalk('red', 'DEV MODE: nothing is authenticated. Everyone on this machine may call everything.'));
  } else if (stack.modes.modeOf('', '*', null) !== 'enforce') {
    out.talk(passing(ramp, out));
  }
  sayLost(stack, { out });
}

/** A service that got another name is reported like a new one. */
export function sayLost({ config, modes, ramp }: Stack, { out }: Pick<Invocation, 'out'>): void {
  const { byMode, byRamp } = lostEnforcement({ config, modes, state: ramp.state() });
  for (const words of [...byMode, ...byRamp]) out.warn(words);
}

/** What `init` wrote names a store, and DATABASE_URL set beside it changes nothing: keys would be made in another than is meant. */
function storeWords(store: StoreConfig, named: StoreConfig | null): string {
  const words = store.kind === 'sqlite' ? `sqlite:${store.file}` : store.kind;
  if (named === null || named.kind === store.kind) return words;
  return `${words}, as the configuration says; the environment names a ${named.kind}, which does not count`;
}

function passing({ enforces, isAll }: RampInForce, { paintTalk }: Invocation['out']): string {
  if (isAll) return 'The ramp enforces all of it. See: countersign ramp status';
  if (enforces.length === 0)
    return paintTalk(
      'yellow',
      'The stack does not enforce yet: what enforce would refuse still passes. See: countersign report',
    );
  return paintTalk(
    'yellow',
    'The ramp does not enforce all of it yet: elsewhere what enforce would refuse still passes. See: countersign ramp status',
  );
}

/** A store that is away now says nothing about its operators. */
async function hasOperators({ store, clock }: Stack): Promise<boolean> {
  if (store.kind === 'memory') return true;
  const found = await accounts({ records: store.records, clock })
    .list()
    .catch(() => null);
  return found === null || found.length > 0;
}
