import { useEffect, useState } from 'preact/hooks';
import { ask, enter, loginFault } from '../api.ts';

export function Login() {
  const [first, setFirst] = useState(false);
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const [elsewhere, setElsewhere] = useState<string | null>(null);
  useEffect(() => {
    ask<{ openid: { host: string } | null }>('logins').then(
      ({ openid }) => setElsewhere(openid?.host ?? null),
      () => undefined,
    );
  }, []);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const value = (name: string): string => String(form.get(name) ?? '');
    const who = { name: value('name').trim(), password: value('password') };
    setBusy(true);
    setFault('');
    try {
      if (first && who.password !== value('again')) throw new Error('The two passwords differ.');
      if (first) await enter('session/first', 'POST', { ...who, login_code: value('login-code').trim() });
      else await enter('session', 'POST', { ...who, code: value('code').trim() });
    } catch (error) {
      setFault(loginFault(error));
      setBusy(false);
    }
  }
  return (
    <main class="login">
      <form class="panel" onSubmit={(event) => void submit(event)}>
        <img src="/dashboard/favicon.svg" alt="" width="40" height="40" />
        <h1>{first ? 'Choose your password' : 'Log in to Countersign'}</h1>
        <label>
          Name
          <input name="name" autocomplete="username" autocapitalize="none" required maxLength={64} />
        </label>
        {first && (
          <label>
            Login code
            <input name="login-code" autocomplete="off" required maxLength={128} />
          </label>
        )}
        <label>
          {first ? 'New password, at least 12 characters' : 'Password'}
          <input
            key={String(first)}
            name="password"
            type="password"
            autocomplete={first ? 'new-password' : 'current-password'}
            required
            minLength={first ? 12 : undefined}
          />
        </label>
        {first ? (
          <label key="again">
            The same again
            <input name="again" type="password" autocomplete="new-password" required />
          </label>
        ) : (
          <label key="code">
            Code, if you have a second factor
            <input name="code" inputMode="numeric" autocomplete="one-time-code" maxLength={64} />
          </label>
        )}
        <p class="text-bad" role="alert">
          {fault}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          {first ? 'Choose and log in' : 'Log in'}
        </button>
        <button type="button" class="quiet" onClick={() => [setFirst(!first), setFault('')]}>
          {first ? 'I have a password' : 'First login, with a code'}
        </button>
        {elsewhere !== null && <a href="/admin/openid">Log in at {elsewhere}</a>}
        <p class="dim">
          No account yet? On the server: <code>countersign operators create NAME --role operator</code>; without a role
          it is a viewer’s.
        </p>
      </form>
    </main>
  );
}
