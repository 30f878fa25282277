import { linkTo, since } from '../address.ts';
import { callerName } from '../format.ts';
import { Loaded, Panel, ratedColumns, Table } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Report } from '../shapes.ts';

export function Callers() {
  const report = useResource<Report>(`report?since=${since.value}`);
  return (
    <Panel title="Callers">
      <p class="dim">Those with the most refusals come first. A question mark: it only claims to be that.</p>
      <Loaded from={report}>
        {(data) => (
          <Table
            caption="Callers"
            hideCaption
            rows={data.callers}
            keyOf={({ caller }) => caller}
            empty="Nobody called in this period. Choose a longer one above, or send a request through the gateway."
            columns={[
              { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
              ...ratedColumns,
            ]}
          />
        )}
      </Loaded>
    </Panel>
  );
}
