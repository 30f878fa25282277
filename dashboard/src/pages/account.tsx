import { useState } from 'preact/hooks';
import { ask, enter, leave, session } from '../api.ts';
import { Dialog, textOf } from '../parts/dialog.tsx';
import { Badge, Panel } from '../parts/parts.tsx';
import { Qr } from '../parts/qr.tsx';
import type { Session } from '../shapes.ts';

type Asked = 'password' | 'offer' | 'totp' | 'no-totp' | 'everywhere';

/** One's own password, second factor and sessions. */
export function Account() {
  const [asked, setAsked] = useState<Asked | null>(null);
  const [offer, setOffer] = useState<{ secret: string; otpauth_uri: string } | null>(null);
  const [codes, setCodes] = useState<readonly string[]>([]);
  const operator = session.value?.operator;
  if (!operator) return <p class="waiting">Loading…</p>;
  const close = (): void => setAsked((now) => (now === 'offer' && offer ? now : null));
  return (
    <>
      <Panel title={operator.name}>
        <dl class="facts">
          <dt>Role</dt>
          <dd>{operator.role}</dd>
          <dt>Second factor</dt>
          <dd>
            {operator.openid ? (
              'at your provider, as your password'
            ) : operator.totp ? (
              <Badge tone="good" sign="✓" words={`on, ${operator.recovery_codes_left} recovery codes left`} />
            ) : (
              <Badge tone="warn" sign="!" words="off" />
            )}
          </dd>
        </dl>
        <div class="orders apart">
          {!operator.openid && (
            <>
              <button type="button" onClick={() => setAsked('password')}>
                Change password
              </button>
              <button type="button" onClick={() => setAsked(operator.totp ? 'no-totp' : 'offer')}>
                {operator.totp ? 'Remove second factor' : 'Set up second factor'}
              </button>
            </>
          )}
          <button type="button" onClick={() => setAsked('everywhere')}>
            Log out everywhere
          </button>
        </div>
      </Panel>
      {codes.length > 0 && (
        <Panel title="Recovery codes">
          <p>
            Each logs you in once without the authenticator. They are shown here once and never again: keep them apart.
          </p>
          <pre tabIndex={0}>{codes.join('\n')}</pre>
        </Panel>
      )}
      {asked === 'password' && (
        <Dialog
          title="Change your password"
          action="Change"
          onClose={close}
          onConfirm={async (form) => {
            await enter('session/password', 'PUT', {
              password: String(form.get('password')),
              new_password: String(form.get('new')),
              code: textOf(form, 'code'),
            });
          }}
        >
          <Field name="password" label="Password now" type="password" autocomplete="current-password" />
          <Field name="new" label="New password, at least 12 characters" type="password" autocomplete="new-password" />
          {operator.totp && <Field name="code" label="Code" type="text" autocomplete="one-time-code" />}
        </Dialog>
      )}
      {asked === 'offer' && (
        <Dialog
          key="offer"
          title="Set up a second factor"
          action="Go on"
          onClose={close}
          onConfirm={async () => {
            setOffer(await ask('session/totp', 'POST'));
            setAsked('totp');
          }}
        >
          <p>You will need an authenticator program that makes codes of six digits (TOTP).</p>
        </Dialog>
      )}
      {asked === 'totp' && offer && (
        <Dialog
          key="totp"
          title="Scan, then prove it"
          action="Switch on"
          onClose={() => setAsked(null)}
          onConfirm={async (form) => {
            const answer = await enter('session/totp', 'PUT', { code: textOf(form, 'code') });
            setCodes((answer as Session & { recovery_codes?: readonly string[] }).recovery_codes ?? []);
          }}
        >
          <p>Scan this with your authenticator, type the secret below, or open the link on the device that has it.</p>
          <Qr text={offer.otpauth_uri} label="The secret, to be scanned" />
          <code class="secret">{offer.secret}</code>
          <p>
            <a href={offer.otpauth_uri}>Open in an authenticator</a>
          </p>
          <Field name="code" label="The code that it shows" type="text" autocomplete="one-time-code" />
        </Dialog>
      )}
      {asked === 'no-totp' && (
        <Dialog
          title="Remove the second factor?"
          action="Remove"
          danger
          onClose={close}
          onConfirm={async () => {
            await enter('session/totp', 'DELETE');
          }}
        >
          <p>From then on your password alone logs in.</p>
        </Dialog>
      )}
      {asked === 'everywhere' && (
        <Dialog
          title="Log out everywhere?"
          action="Log out"
          danger
          onClose={close}
          onConfirm={async () => {
            await ask('sessions', 'DELETE');
            leave();
          }}
        >
          <p>Every session of yours ends, this one, too.</p>
        </Dialog>
      )}
    </>
  );
}

function Field({
  name,
  label,
  type,
  autocomplete,
}: {
  name: string;
  label: string;
  type: 'password' | 'text';
  autocomplete: string;
}) {
  return (
    <label>
      {label}
      {type === 'password' ? (
        <input name={name} type="password" autocomplete={autocomplete as 'new-password'} required />
      ) : (
        <input name={name} autocomplete="one-time-code" required />
      )}
    </label>
  );
}
