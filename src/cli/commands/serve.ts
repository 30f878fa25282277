import { lineWriter } from '../../audit/line-writer.ts';
import { createAuthority } from '../../authority/authority.ts';
import { keyDuties } from '../../compose/key-duties.ts';
import { createStack, type Stack } from '../../compose/stack.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { Invocation } from '../command.ts';
import { EXIT, usage } from '../failure.ts';
import { openDoors, type Doors } from '../serve/doors.ts';
import { followConfig } from '../serve/reload.ts';
import { readCheckedConfig } from '../workplace.ts';

/** Resolves when the server has ended. */
export async function serve(invocation: Invocation): Promise<number> {
  const { out, env } = invocation;
  const devMode = invocation.flag('allow-unauthenticated');
  const migrate = !invocation.flag('no-migrate');
  const drainMillis = drainSeconds(invocation) * 1000;
  const config = await readCheckedConfig(invocation);

  const decisions = lineWriter(process.stdout);
  const logLine = (line: string): void => decisions.line(line);
  const stack = await createStack({ config, env, devMode, logLine, migrate, warn: (text) => out.warn(text) });
  const gateway = createGateway(stack);
  const authority = createAuthority(stack);
  const closeRest = async (): Promise<void> => {
    await gateway.close();
    await authority.close();
    await stack.audit.flush();
    await stack.close();
    await decisions.close();
  };
  let doors: Doors;
  try {
    doors = await openDoors(stack, gateway, authority);
  } catch (error) {
    await closeRest();
    throw error;
  }
  const stopFollowing = followConfig({
    file: invocation.configFile,
    load: () => readCheckedConfig(invocation),
    apply: (next) => {
      stack.reload(next);
      for (const warning of next.warnings) out.warn(warning);
    },
    say: (lines, good) => {
      for (const line of lines) out.talk(good ? line : out.paintTalk('red', line));
    },
  });
  const duties = keyDuties(stack, { say: (text) => out.talk(text), warn: (text) => out.warn(text) });
  sayStarted(stack, doors, invocation);

  const signal = await ending();
  out.talk(`${signal}: finishing what is under way, at most ${drainMillis / 1000} s; once more ends at once.`);
  process.once('SIGINT', () => process.exit(EXIT.refused)).once('SIGTERM', () => process.exit(EXIT.refused));
  stopFollowing();
  await duties.close();
  await doors.close(drainMillis);
  await closeRest();
  out.talk('ended');
  return EXIT.done;
}

function drainSeconds(invocation: Invocation): number {
  const text = invocation.text('drain-seconds') ?? '10';
  if (!/^[0-9]{1,4}$/.test(text)) throw usage(`--drain-seconds is a whole number of seconds, not "${text}"`);
  return Number(text);
}

/** The first signal that asks us to end. */
function ending(): Promise<string> {
  return new Promise((resolve) => {
    const end = (signal: NodeJS.Signals): void => {
      process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
      resolve(signal);
    };
    process.on('SIGINT', end).on('SIGTERM', end);
  });
}

function sayStarted(stack: Stack, doors: Doors, { out }: Invocation): void {
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
  out.talk('ready');
}
