import type { Stack } from '../../compose/stack.ts';
import type { Invocation } from '../command.ts';
import type { Doors } from './doors.ts';

/** Says what runs, where, and whether it enforces. */
export function sayStarted(stack: Stack, doors: Doors, { out }: Invocation): void {
  const { config } = stack;
  const names = ['gateway', 'admin', 'store', 'keys', ...config.services.map(({ name }) => name)];
  const width = Math.max(...names.map((name) => name.length));
  const row = (name: string, text: string): void => out.talk(`  ${out.paintTalk('dim', name.padEnd(width))}  ${text}`);
  const url = (name: string): string => doors.open.find((door) => door.name === name)?.url ?? '';
  out.talk(`${out.paintTalk('bold', 'countersign')} ${stack.version}, stack "${config.name}"`);
  row('gateway', `${url('gateway')}/<service>/`);
  row('admin', url('admin'));
  row('store', config.store.kind === 'sqlite' ? `sqlite:${config.store.file}` : config.store.kind);
  row(
    'keys',
    `${stack.keyring.size} known${stack.admin.configured ? '' : '; no admin token is set, so nobody is an admin'}`,
  );
  for (const service of config.services) {
    const own = doors.open.find((door) => door.service === service.name);
    const mode = stack.modes.modeOf(service.name, '*', null);
    row(service.name, `${mode.padEnd(7)}  to ${service.upstream}${own ? `, own port ${own.url}` : ''}`);
  }
  if (stack.devMode) {
    out.talk(out.paintTalk('red', 'DEV MODE: nothing is authenticated. Everyone on this machine may call everything.'));
  } else if (stack.modes.modeOf('', '*', null) !== 'enforce') {
    out.talk(
      out.paintTalk(
        'yellow',
        'The stack does not enforce yet: what enforce would refuse still passes. See: countersign report',
      ),
    );
  }
}
