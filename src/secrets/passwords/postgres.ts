import { Client } from 'pg';
import { scramVerifier } from '../../crypto/scram.ts';
import { answerMillisMax, PasswordError, failed, type PasswordServer, type PasswordTarget } from './password-server.ts';

/** invalid_password, invalid_authorization_specification. */
const refusedCodes = new Set(['28P01', '28000']);

/** A role of Postgres. Its password reaches the server as a SCRAM verifier, never as itself. */
export function postgresPassword({ url, account, login }: PasswordTarget): PasswordServer {
  const name = `role ${account} of Postgres at ${url.host}`;

  /** Null when the password is refused. */
  async function connect(user: string, password: string | null): Promise<Client | null> {
    // Without one the driver would look for one elsewhere: in PGPASSWORD, in ~/.pgpass.
    if (!password) return null;
    const target = new URL(url);
    target.username = encodeURIComponent(user);
    target.password = encodeURIComponent(password);
    const client = new Client({
      connectionString: target.href,
      connectionTimeoutMillis: answerMillisMax,
      query_timeout: answerMillisMax,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (refusedCodes.has(String((error as { code?: unknown }).code))) return null;
      throw failed(name, error);
    }
  }

  return {
    name,
    async accepts(password) {
      const client = await connect(account, password);
      await client?.end();
      return client !== null;
    },
    async open(password) {
      const client = await connect(login, password);
      if (client === null) throw new PasswordError('login_refused', `Postgres at ${url.host} does not let ${login} in`);
      const alter = async (next: string): Promise<void> => {
        // A utility statement takes no parameters; a verifier is base64 and a few signs.
        const statement = `ALTER ROLE ${client.escapeIdentifier(account)} PASSWORD ${client.escapeLiteral(scramVerifier(next))}`;
        await client.query(statement).catch((error: unknown) => {
          throw failed(name, error);
        });
      };
      return {
        set: alter,
        takeBack: (_next, previous) => alter(previous ?? ''),
        finish: async () => null,
        close: () => client.end(),
      };
    },
  };
}
