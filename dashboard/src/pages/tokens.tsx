import { useState } from 'preact/hooks';
import { place, setQuery } from '../address.ts';
import { ask, mayAct } from '../api.ts';
import { count } from '../format.ts';
import { Dialog, Secret, textOf, wordsOf } from '../parts/dialog.tsx';
import { Loaded, Panel, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { TokenLine } from '../shapes.ts';

export function Tokens() {
  const find = place.value.query.get('find') ?? '';
  const tokens = useResource<{ tokens: readonly TokenLine[]; truncated: boolean }>(
    `tokens?${new URLSearchParams({ find })}`,
  );
  const [creating, setCreating] = useState(false);
  const [doomed, setDoomed] = useState<TokenLine | null>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const create = mayAct() && (
    <button type="button" class="primary" onClick={() => setCreating(true)}>
      Create token
    </button>
  );
  return (
    <Panel title="Session tokens" actions={create}>
      <div class="filters" role="search">
        <label>
          Find
          <input
            type="search"
            value={find}
            maxLength={128}
            onChange={(event) => setQuery({ find: event.currentTarget.value.trim() })}
            placeholder="an id, whose, by whom"
          />
        </label>
      </div>
      <Loaded from={tokens}>
        {(data) => (
          <>
            <Table
              caption="Active tokens"
              hideCaption
              rows={data.tokens}
              keyOf={({ token_id }) => token_id}
              empty={
                find === ''
                  ? 'No token is active. Create one for a person or a job; it ends by itself.'
                  : 'No active token has this in its id, its client, its scopes or its maker.'
              }
              columns={[
                { head: 'Token', cell: ({ token_id }) => <code title={token_id}>{token_id.slice(0, 12)}</code> },
                { head: 'For', cell: ({ client_id }) => client_id ?? <span class="dim">–</span> },
                { head: 'Scopes', cell: ({ scopes }) => scopes.join(', ') || <span class="dim">none</span> },
                { head: 'By', cell: ({ created_by }) => created_by },
                { head: 'Created', cell: ({ created_at }) => <Time at={created_at} /> },
                { head: 'Ends', cell: ({ expires_at }) => <Time at={expires_at} /> },
                {
                  head: 'Actions',
                  cell: (token) =>
                    mayAct() && (
                      <button
                        type="button"
                        class="quiet danger"
                        onClick={() => setDoomed(token)}
                        aria-label={`Revoke token ${token.token_id.slice(0, 12)}`}
                      >
                        Revoke
                      </button>
                    ),
                },
              ]}
            />
            {data.truncated && (
              <p class="notice">
                These are the newest {count(data.tokens.length)}; there are more. Find looks through all of them, and{' '}
                <code>countersign tokens list --limit COUNT</code> shows them.
              </p>
            )}
          </>
        )}
      </Loaded>
      {creating && (
        <Dialog
          title="Create a token"
          action="Create"
          onClose={() => setCreating(false)}
          onConfirm={async (form) => {
            const client = textOf(form, 'client');
            const made = await ask<{ token: string }>('tokens', 'POST', {
              ttl_hours: Number(textOf(form, 'hours')),
              scopes: wordsOf(form, 'scopes'),
              ...(client && { client_id: client }),
            });
            setSecret(made.token);
            tokens.reload();
          }}
        >
          <label>
            For
            <input name="client" maxLength={128} pattern="\S*" placeholder="nightly-job" />
          </label>
          <label>
            Ends after, hours
            <input name="hours" type="number" min="1" max="8760" value="8" required />
          </label>
          <label>
            Scopes
            <input name="scopes" placeholder="embed:write, parted by spaces" />
          </label>
        </Dialog>
      )}
      {doomed && (
        <Dialog
          title="Revoke this token?"
          action="Revoke"
          danger
          onClose={() => setDoomed(null)}
          onConfirm={async () => {
            await ask(`tokens/${doomed.token_id}`, 'DELETE');
            tokens.reload();
          }}
        >
          <p>
            It ends at once, on every replica, and the streams that it opened within a second: token{' '}
            <code>{doomed.token_id.slice(0, 12)}</code>
            {doomed.client_id && ` of ${doomed.client_id}`}.
          </p>
        </Dialog>
      )}
      {secret !== null && <Secret label="The new token" value={secret} onDone={() => setSecret(null)} />}
    </Panel>
  );
}
