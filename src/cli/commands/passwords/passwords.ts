import { basename } from 'node:path';
import type { Act } from '../../../core/event.ts';
import { nameFault } from '../../../secrets/bundle.ts';
import { bundleVault } from '../../../secrets/passwords/bundle-vault.ts';
import { passwordKinds, type PasswordKind } from '../../../secrets/passwords/password-kinds.ts';
import type { PasswordTarget } from '../../../secrets/passwords/password-server.ts';
import { rotatePassword, type PasswordRotation } from '../../../secrets/passwords/rotate-password.ts';
import { bundlePath, lockedBundle } from '../../bundle-place.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, usage } from '../../failure.ts';
import { secretFromStdin } from '../../secret-input.ts';
import { uninterrupted } from '../../uninterrupted.ts';
import { recordOutside } from '../../workplace.ts';

export async function passwordsRotate(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const [kindName = ''] = invocation.positionals;
  const kind = Object.hasOwn(passwordKinds, kindName) ? passwordKinds[kindName] : undefined;
  if (!kind) throw usage(`KIND is ${Object.keys(passwordKinds).join(', ')}, not "${kindName}"`);
  const target = targetOf(invocation, kindName, kind);
  const secret = secretName(invocation, 'secret') ?? `${kindName}_password`;
  const loginSecret = secretName(invocation, 'login-secret');
  if (target.account !== target.login && loginSecret === null)
    throw usage('--account needs --login-secret: the password of who logs in to change it');
  const given = invocation.flag('current-stdin')
    ? await secretFromStdin(invocation, 'the password that counts now')
    : null;
  const server = kind.server(target);
  const bundle = bundlePath(invocation);
  const { resumed, remaining } = await uninterrupted(
    () => out.talk('One moment: the server and the bundle are brought to agree first.'),
    async () => {
      const done: Act[] = [];
      const onRotated: PasswordRotation['onRotated'] = ({ resumed: late }) => {
        const detail = { kind: kindName, account: target.account, server: target.url.host, bundle, resumed: late };
        done.push({ type: 'password.rotated', subject: secret, detail });
      };
      try {
        return await lockedBundle(invocation, (file, save) =>
          rotatePassword({ server, vault: bundleVault(file, save), secret, given, loginSecret, dryRun, onRotated }),
        );
      } finally {
        // Also where it was rotated and the old password could not be ended.
        for (const act of done) await recordOutside(invocation, act);
      }
    },
  );
  if (remaining !== null) out.warn(remaining);
  if (invocation.json)
    out.json({ kind: kindName, account: target.account, secret, resumed, remaining, dry_run: dryRun });
  else {
    const verb = resumed ? 'completed' : 'rotated';
    const place = `${secret} in ${basename(bundle)}`;
    out.line(`${dryRun ? 'would have ' : ''}${verb}  the password of ${server.name}, ${place}`);
  }
  return EXIT.done;
}

function targetOf(invocation: Invocation, name: string, kind: PasswordKind): PasswordTarget {
  const text = invocation.positionals[1] ?? '';
  const url = URL.canParse(text) ? new URL(text) : null;
  // Neither is repeated: a password may stand in it.
  if (url === null || url.hostname === '' || !kind.protocols.includes(url.protocol))
    throw usage(`URL of ${name} is written ${kind.example}`);
  if (url.password !== '' || url.searchParams.has('password'))
    throw usage(
      'a password stands in the URL, where the process list and the shell history show it; nothing was done',
      'Put it into the bundle with `countersign secrets set`, or give it with --current-stdin.',
    );
  const login = loginOf(url, name, kind);
  if (url.protocol === 'http:' && !/^(?:localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname))
    invocation.out.warn(`${url.host} is spoken to without TLS: whoever is on the way reads the password`);
  return { url, login, account: invocation.text('account') ?? login };
}

function loginOf(url: URL, name: string, kind: PasswordKind): string {
  try {
    return decodeURIComponent(url.username) || kind.usualAccount;
  } catch {
    throw usage(`the account in the URL of ${name} has a "%" that begins no %XX; the sign itself is written %25`);
  }
}

function secretName(invocation: Invocation, option: string): string | null {
  const name = invocation.text(option);
  const fault = name === null ? null : nameFault(name);
  if (fault !== null) throw usage(`--${option}: ${fault}`);
  return name;
}
