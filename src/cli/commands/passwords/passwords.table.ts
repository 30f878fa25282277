import type { Command } from '../../command.ts';
import { bundleOption } from '../secrets/secrets.table.ts';

/** Commands about passwords of other servers. */
export const passwordCommands: readonly Command[] = [
  {
    name: 'passwords rotate',
    summary: 'give an account of Postgres, Redis or Grafana a new password',
    about:
      'Makes a password of 256 bits, gives it to the running server, proves it by a login and writes it to the bundle; when the login fails, the old one is put back. The password that counts now is taken from the bundle. Broken off at any step, it is completed by the next call. Programs that use the account need the new password from then on.',
    positionals: [
      { name: 'KIND', required: true, summary: 'postgres, redis or grafana' },
      {
        name: 'URL',
        required: true,
        summary:
          'the server and who logs in to make the change, without a password: postgres://aidb@127.0.0.1:5432/aidb',
      },
    ],
    options: {
      secret: {
        type: 'text',
        value: 'NAME',
        summary: "the account's password in the bundle (default: KIND_password)",
      },
      'current-stdin': {
        type: 'flag',
        summary: 'the bundle does not have it yet: read what counts now from standard input',
      },
      account: {
        type: 'text',
        value: 'NAME',
        summary: 'whose password is changed, when it is another than who logs in; needs --login-secret',
      },
      'login-secret': {
        type: 'text',
        value: 'NAME',
        summary: "the password of who logs in, in the bundle (default: the account's)",
      },
      file: bundleOption,
    },
    changes: true,
    examples: [
      'countersign passwords rotate postgres postgres://aidb@127.0.0.1:5432/aidb --secret aidb_db_password',
      'countersign passwords rotate redis redis://127.0.0.1:6379',
      'echo admin | countersign passwords rotate grafana http://admin@127.0.0.1:3000 --current-stdin',
    ],
    load: async () => (await import('./passwords.ts')).passwordsRotate,
  },
];
