import { answerMillisMax, PasswordError, failed, type PasswordServer, type PasswordTarget } from './password-server.ts';

/** A user of Grafana, by its admin API. Whoever makes the change must be a server administrator. */
export function grafanaPassword({ url, account, login }: PasswordTarget): PasswordServer {
  const name = `user ${account} of Grafana at ${url.host}`;
  const base = `${url.origin}${url.pathname.replace(/\/$/, '')}`;

  /** The answer's status and JSON. Redirects are not followed: a password goes to the server that was named and to no other. */
  async function ask(user: string, password: string | null, path: string, body?: object): Promise<Answer> {
    try {
      const response = await fetch(`${base}${path}`, {
        method: body === undefined ? 'GET' : 'PUT',
        headers: {
          authorization: `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(answerMillisMax),
      });
      const json: unknown = await response.json().catch(() => null);
      return { status: response.status, json: typeof json === 'object' && json !== null ? json : {} };
    } catch (error) {
      throw failed(name, (error as { cause?: unknown }).cause ?? error);
    }
  }

  async function userId(password: string | null): Promise<number> {
    const { status, json } = await ask(
      login,
      password,
      `/api/users/lookup?loginOrEmail=${encodeURIComponent(account)}`,
    );
    if (status === 401) throw new PasswordError('login_refused', `Grafana at ${url.host} does not let ${login} in`);
    if (status === 403)
      throw new PasswordError('login_refused', `${login} is no server administrator of Grafana at ${url.host}`);
    if (status === 404) throw new PasswordError('no_such_account', `there is no ${name}`);
    const id = 'id' in json ? json.id : null;
    if (status !== 200 || typeof id !== 'number') throw answered(status);
    return id;
  }

  const answered = (status: number): PasswordError =>
    new PasswordError('server_refused', `${name}: Grafana answered ${status}`);

  async function accepts(password: string | null): Promise<boolean> {
    const { status } = await ask(account, password, '/api/user');
    if (status !== 200 && status !== 401) throw answered(status);
    return status === 200;
  }

  return {
    name,
    accepts,
    async open(password) {
      const id = await userId(password);
      const own = account === login;
      const put = async (as: string | null, next: string): Promise<number> =>
        (await ask(login, as, `/api/admin/users/${id}/password`, { password: next })).status;
      return {
        async set(next) {
          const status = await put(password, next);
          if (status !== 200) throw answered(status);
        },
        async takeBack(next, previous) {
          // Where the change was refused it is in force, and the rules of `password_policy` may refuse to have it set anew.
          if (await accepts(previous)) return;
          // One that changed its own password is let in by whichever of the two counts.
          let status = await put(password, previous ?? '');
          if (status === 401 && own) status = await put(next, previous ?? '');
          if (status !== 200) throw answered(status);
        },
        finish: async () => null,
        close: async () => undefined,
      };
    },
  };
}

interface Answer {
  readonly status: number;
  readonly json: object;
}
