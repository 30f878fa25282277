import { useState } from 'preact/hooks';
import { ask, mayAct } from '../api.ts';
import { place, setQuery } from '../address.ts';
import { Dialog, Reason, Secret, textOf, wordsOf } from '../parts/dialog.tsx';
import { Loaded, Panel } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { KeyLine } from '../shapes.ts';
import { KeyTable } from './key-table.tsx';

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
        {(data) => <KeyTable all={data.keys} shown={data.keys.filter(wanted)} onChange={() => keys.reload()} />}
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
              allowed_ips: wordsOf(form, 'addresses'),
              reason: textOf(form, 'reason'),
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
              <option value="ed25519">key pair (ed25519)</option>
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
          <label>
            Only from
            <input name="addresses" placeholder="10.0.0.0/8, parted by spaces; anywhere if left out" />
          </label>
          <Reason />
        </Dialog>
      )}
      {secret !== null && <Secret label="The new key" value={secret} onDone={() => setSecret(null)} />}
    </Panel>
  );
}
