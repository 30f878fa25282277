import { linkTo, place, setQuery } from '../address.ts';
import { callerName, callerOf, serviceName, unnamed } from '../format.ts';
import { news } from '../live.ts';
import { Loaded, OutcomeBadge, Panel, RequestId, Table, Time } from '../parts/parts.tsx';
import { tailRows, useTail } from '../resource.ts';
import type { Decision } from '../shapes.ts';

const filters = ['service', 'route', 'caller', 'reason', 'request', 'outcome', 'since', 'until'] as const;

/** The newest two hundred that fit, and what comes behind them as it is decided: the tail, and the search. */
export function Audit() {
  const { query } = place.value;
  const asked = new URLSearchParams();
  for (const name of filters) {
    const value = query.get(name);
    // A filter that is not set is '' in the address, and so is the name of whoever has none.
    if (value) asked.set(name, name === 'caller' && value === unnamed ? '' : value);
  }
  const live = query.get('live') !== '0';
  const decisions = useTail<Decision>(`decisions?${asked}`, 'decisions', live ? news.decisions : null);
  return (
    <Panel title="Decisions">
      <div class="filters" role="search">
        <Filter name="service" label="Service" />
        <Filter name="route" label="Route" />
        <Filter name="caller" label="Caller" />
        <Filter name="reason" label="Reason" />
        <Filter name="request" label="Request id" />
        <label>
          Outcome
          <select
            value={query.get('outcome') ?? ''}
            onChange={(event) => setQuery({ outcome: event.currentTarget.value })}
          >
            <option value="">any</option>
            <option value="allow">allowed</option>
            <option value="would_deny">would be denied</option>
            <option value="deny">denied</option>
            <option value="public">public</option>
          </select>
        </label>
        <label>
          Since
          <select value={query.get('since') ?? ''} onChange={(event) => setQuery({ since: event.currentTarget.value })}>
            <option value="">ever</option>
            <option value="15m">15 minutes</option>
            <option value="1h">1 hour</option>
            <option value="24h">24 hours</option>
            <option value="7d">7 days</option>
          </select>
        </label>
        <label>
          Until
          <select value={query.get('until') ?? ''} onChange={(event) => setQuery({ until: event.currentTarget.value })}>
            <option value="">now</option>
            <option value="15m">15 minutes ago</option>
            <option value="1h">1 hour ago</option>
            <option value="24h">24 hours ago</option>
          </select>
        </label>
        <label class="choice">
          <input type="checkbox" checked={live} onChange={() => setQuery({ live: live ? '0' : '' })} /> follow live
        </label>
      </div>
      <Loaded from={decisions}>
        {(data) => (
          <>
            <Table
              caption="Decisions, newest first"
              hideCaption
              rows={data.toReversed()}
              keyOf={({ sequence }) => sequence}
              empty="No decision fits. Take a filter back, or send a request through the gateway."
              columns={[
                { head: 'When', cell: ({ time }) => <Time at={time} /> },
                { head: 'Outcome', cell: ({ outcome }) => <OutcomeBadge outcome={outcome} /> },
                {
                  head: 'Caller',
                  cell: (row) => <a href={linkTo('callers', callerOf(row))}>{callerName(callerOf(row))}</a>,
                },
                {
                  head: 'Request',
                  cell: (row) => <code>{`${row.method} ${serviceName(row.service)} ${row.path}`}</code>,
                },
                { head: 'Reason', cell: ({ reason }) => (reason ? <code>{reason}</code> : <span class="dim">–</span>) },
                { head: 'From', cell: ({ client_address }) => client_address },
                { head: 'Id', cell: ({ request_id }) => <RequestId id={request_id} /> },
              ]}
            />
            {data.length === tailRows && (
              <p class="more dim">
                These are the newest {tailRows} that fit. Older ones: say more exactly which, or until when.
              </p>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  );
}

/** Of what the address asks for. */
export function Filter({ name, label }: { name: string; label: string }) {
  return (
    <label>
      {label}
      <input
        type="search"
        value={place.value.query.get(name) ?? ''}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value.trim() })}
        placeholder="any, exact"
      />
    </label>
  );
}
