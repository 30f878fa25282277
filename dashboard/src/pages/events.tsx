import { place } from '../address.ts';
import { news } from '../live.ts';
import { Loaded, Panel, Table, Time } from '../parts/parts.tsx';
import { tailRows, useTail } from '../resource.ts';
import type { AuditEvent } from '../shapes.ts';
import { Filter } from './audit.tsx';

export function Events() {
  const asked = new URLSearchParams();
  for (const name of ['type', 'actor']) {
    const value = place.value.query.get(name);
    if (value) asked.set(name, value);
  }
  const events = useTail<AuditEvent>(`events?${asked}`, 'events', news.changes);
  return (
    <Panel title="Who changed what">
      <p class="dim">
        Links of one chain of hashes; <code>countersign audit verify</code> tells whether it is whole.
      </p>
      <div class="filters" role="search">
        <Filter name="type" label="What" />
        <Filter name="actor" label="Who" />
      </div>
      <Loaded from={events}>
        {(data) => (
          <>
            <Table
              caption="Changes, newest first"
              hideCaption
              rows={data.toReversed()}
              keyOf={({ sequence }) => sequence}
              empty={asked.size === 0 ? 'Nothing was changed yet.' : 'No change fits. Take a filter back.'}
              columns={[
                { head: 'No.', number: true, cell: ({ sequence }) => sequence },
                { head: 'When', cell: ({ time }) => <Time at={time} /> },
                { head: 'What', cell: ({ type }) => <code>{type}</code> },
                { head: 'On', cell: ({ subject }) => subject || 'the stack' },
                { head: 'Who', cell: ({ actor, via }) => `${actor} by ${via}` },
                { head: 'From', cell: ({ from }) => from },
                { head: 'Why', cell: ({ reason }) => reason || <span class="dim">–</span> },
              ]}
            />
            {data.length === tailRows && (
              <p class="more dim">
                These are the newest {tailRows} that fit. Older ones: say which, or{' '}
                <code>countersign audit tail --events --since 30d</code>
              </p>
            )}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
