import { Redis } from 'ioredis';
import { sha256Hex } from '../../crypto/digest.ts';
import { answerMillisMax, PasswordError, failed, type PasswordServer, type PasswordTarget } from './password-server.ts';

/** A user of Redis or Valkey. Redis is told the digest of a new password, so the password is in no MONITOR and no slow log. */
export function redisPassword({ url, account, login }: PasswordTarget): PasswordServer {
  const name = `user ${account} of Redis at ${url.host}`;

  /** Null when the password is refused. */
  async function connect(user: string, password: string | null): Promise<Redis | null> {
    const client = new Redis({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 6379),
      ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
      ...(password === null ? {} : { username: user, password }),
      lazyConnect: true,
      connectTimeout: answerMillisMax,
      commandTimeout: answerMillisMax,
      enableReadyCheck: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    // Why a connection was closed is told here alone.
    let cause: unknown = null;
    client.on('error', (error: unknown) => (cause ??= error));
    try {
      await client.connect();
      await client.ping();
      return client;
    } catch (error) {
      client.disconnect();
      if (isRefusal(cause ?? error)) return null;
      throw failed(name, cause ?? error);
    }
  }

  return {
    name,
    async accepts(password) {
      const client = await connect(account, password);
      client?.disconnect();
      return client !== null;
    },
    async open(password) {
      const client = await connect(login, password);
      if (client === null) throw new PasswordError('login_refused', `Redis at ${url.host} does not let ${login} in`);
      const order = async (...words: string[]): Promise<unknown> => {
        const [command = '', ...rest] = words;
        return client.call(command, ...rest).catch((error: unknown) => {
          throw failed(name, error);
        });
      };
      if ((await order('ACL', 'GETUSER', account)) === null) {
        client.disconnect();
        throw new PasswordError('no_such_account', `there is no ${name}`);
      }
      return {
        // Redis lets a user have several passwords: the old one counts until the new one is proven.
        set: async (next) => void (await order('ACL', 'SETUSER', account, `#${sha256Hex(next)}`)),
        takeBack: async (next, previous) =>
          void (await order('ACL', 'SETUSER', account, ...(previous === null ? ['nopass'] : [`!${sha256Hex(next)}`]))),
        async finish(next) {
          await order('ACL', 'SETUSER', account, 'resetpass', `#${sha256Hex(next)}`);
          return persist(client);
        },
        close: async () => client.disconnect(),
      };
    },
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && /^(?:WRONGPASS|NOAUTH|ERR invalid password)/.test(error.message);
}

/** What ACL SETUSER did is forgotten at the next start unless it is written down. */
async function persist(client: Redis): Promise<string | null> {
  try {
    const [, aclFile] = (await client.call('CONFIG', 'GET', 'aclfile')) as string[];
    await (aclFile ? client.call('ACL', 'SAVE') : client.call('CONFIG', 'REWRITE'));
    return null;
  } catch {
    return 'Redis could not write the new password down and forgets it at its next start: give it the new password in its configuration as well';
  }
}
