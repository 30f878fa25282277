import { news } from '../live.ts';
import { Loaded, Panel, Table, Time } from '../parts/parts.tsx';
import { useTail } from '../resource.ts';
import type { AuditEvent } from '../shapes.ts';

export function Events() {
  const events = useTail<AuditEvent>('events?', 'events', news.changes);
  return (
    <Panel title="Who changed what">
      <p class="dim">
        Links of one chain of hashes; <code>countersign audit verify</code> tells whether it is whole.
      </p>
      <Loaded from={events}>
        {(data) => (
          <Table
            caption="Changes, newest first"
            hideCaption
            rows={data.toReversed()}
            keyOf={({ sequence }) => sequence}
            empty="Nothing was changed yet."
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
        )}
      </Loaded>
    </Panel>
  );
}
