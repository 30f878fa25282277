import { linkTo, since } from '../address.ts';
import { callerName, count, routeName } from '../format.ts';
import { Loaded, OutcomeBadge, Panel, RequestId, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Outcome, Refusals, Report } from '../shapes.ts';

/** What was and would be refused, as caller × route × reason. */
export function RefusalsOf({ matches }: { matches: (group: Refusals) => boolean }) {
  const report = useResource<Report>(`report?since=${since.value}`);
  return (
    <Panel title="Refusals">
      <Loaded from={report}>{(data) => <RefusalTable report={data} matches={matches} />}</Loaded>
    </Panel>
  );
}

export function RefusalTable({ report, matches }: { report: Report; matches: (group: Refusals) => boolean }) {
  const of = (outcome: Outcome, groups: readonly Refusals[]) =>
    groups.filter(matches).map((group) => ({ ...group, outcome }));
  const rows = [...of('would_deny', report.would_deny_groups), ...of('deny', report.denied_groups)].slice(0, 200);
  return (
    <Table
      caption="Refusals by caller, route and reason"
      hideCaption
      rows={rows}
      keyOf={(row) => `${row.outcome} ${row.caller} ${row.service}${row.route} ${row.reason}`}
      empty="None in this period."
      columns={[
        { head: 'Outcome', cell: ({ outcome }) => <OutcomeBadge outcome={outcome} /> },
        { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
        { head: 'Route', cell: ({ service, route }) => <code>{routeName(service, route)}</code> },
        { head: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
        { head: 'From', cell: addressWords },
        { head: 'Last seen', cell: ({ last_seen }) => <Time at={last_seen} /> },
        { head: 'Example', cell: ({ example_request_id }) => <RequestId id={example_request_id} /> },
        { head: 'Count', number: true, cell: (row) => count(row.count) },
      ]}
    />
  );
}

const addressesShown = 2;

function addressWords({ client_addresses: addresses, address_count: all }: Refusals): string {
  const shown = addresses.slice(0, addressesShown);
  return [...shown, ...(all > shown.length ? [`and ${all - shown.length} more`] : [])].join(', ');
}
