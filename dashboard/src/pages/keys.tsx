import { useState } from 'preact/hooks';
import { ask, mayAct } from '../api.ts';
import { place, setQuery } from '../address.ts';
import { Dialog, Secret, textOf, wordsOf } from '../parts/dialog.tsx';
import { Badge, Loaded, Panel, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { KeyLine } from '../shapes.ts';

export function Keys() {
  const keys = useResource<{ keys: readonly KeyLine[] }>('keys');
  const [creating, setCreating] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const find = place.value.query.get('find') ?? '';
  const all = place.value.query.get('all') === '1';
  const wanted = ({ id, service, status }: KeyLine): boolean =>
    (all || status !== 'revoked') && `${service} ${id}`.toLowerCase().includes(find.toLowerCase());
  const create = mayAct() && (
    <button type="button" class="primary" onClick={() => setCreating(true)}>
      Create key
    </button>
  );
  return (
    <Panel title="Keys in the store" actions={create}>
      <div class="filters">
        <label>
          Find
          <input type="search" value={find} onInput={(event) => setQuery({ find: event.currentTarget.value })} />
        </label>
        <label class="choice">
          <input type="checkbox" checked={all} onChange={() => setQuery({ all: all ? '' : '1' })} /> revoked, too
        </label>
      </div>
      <Loaded from={keys}>
        {(data) => <KeyTable keys={data.keys.filter(wanted)} onChange={() => keys.reload()} />}
      </Loaded>
      {creating && (
        <Dialog
          title="Create a key"
          action="Create"
          onClose={() => setCreating(false)}
          onConfirm={async (form) => {
            const days = textOf(form, 'days');
            const made = await ask<{ key: string }>('keys', 'POST', {
              service: textOf(form, 'service'),
              kind: textOf(form, 'kind'),
              scopes: wordsOf(form, 'scopes'),
              ...(days && { expires_in_days: Number(days) }),
            });
            setSecret(made.key);
            keys.reload();
          }}
        >
          <label>
            Caller
            <input name="service" required maxLength={128} placeholder="the name of a service" />
          </label>
          <label>
            Kind
            <select name="kind">
              <option value="sk">API key (sk)</option>
              <option value="hs">signing secret (hs)</option>
            </select>
          </label>
          <label>
            Ends after, days
            <input name="days" type="number" min="1" max="3650" value="90" />
          </label>
          <label>
            Scopes
            <input name="scopes" placeholder="embed:write, parted by spaces" />
          </label>
        </Dialog>
      )}
      {secret !== null && <Secret label="The new key" value={secret} onDone={() => setSecret(null)} />}
    </Panel>
  );
}

export function KeyTable({ keys, onChange }: { keys: readonly KeyLine[]; onChange: () => void }) {
  const [doomed, setDoomed] = useState<KeyLine | null>(null);
  return (
    <>
      <Table
        caption="Keys"
        hideCaption
        rows={keys}
        keyOf={({ id }) => id}
        empty="No key. Create one above, or by countersign keys create NAME; keys in files are not listed here."
        columns={[
          { head: 'Caller', cell: ({ service }) => service },
          {
            head: 'Key',
            cell: ({ id, kind, last_four }) => <code title={`ends in ${last_four}`}>{`${kind} ${id}`}</code>,
          },
          { head: 'State', cell: (key) => <State line={key} /> },
          { head: 'Created', cell: ({ created_at }) => <Time at={created_at} /> },
          { head: 'Ends', cell: ({ expires_at }) => <Time at={expires_at} /> },
          { head: 'Last used', cell: ({ last_used }) => <Time at={last_used?.at ?? null} /> },
          {
            head: 'Actions',
            cell: (key) =>
              key.revoked_at === null &&
              mayAct() && (
                <button
                  type="button"
                  class="quiet danger"
                  onClick={() => setDoomed(key)}
                  aria-label={`Revoke key ${key.id} of ${key.service}`}
                >
                  Revoke
                </button>
              ),
          },
        ]}
      />
      {doomed && (
        <Dialog
          title={`Revoke key ${doomed.id}?`}
          action="Revoke"
          danger
          onClose={() => setDoomed(null)}
          onConfirm={async () => {
            await ask(`keys/${doomed.id}`, 'DELETE');
            onChange();
          }}
        >
          <p>
            Every call of <strong>{doomed.service}</strong> with this key is refused at once, on every replica. This
            cannot be taken back.
          </p>
          <p class="dim">
            Last used: <Time at={doomed.last_used?.at ?? null} />
          </p>
        </Dialog>
      )}
    </>
  );
}

const soonMillis = 14 * 86_400_000;

function State({ line: { status, stage, expires_at } }: { line: KeyLine }) {
  if (status === 'revoked') return <Badge tone="plain" sign="–" words="revoked" />;
  if (status === 'expired') return <Badge tone="bad" sign="✕" words="ended" />;
  if (expires_at !== null && Date.parse(expires_at) - Date.now() < soonMillis)
    return <Badge tone="warn" sign="!" words="ends soon" />;
  return <Badge tone={stage === 'current' ? 'good' : 'plain'} sign="✓" words={stage ?? 'active'} />;
}
