import { linkTo, since } from '../address.ts';
import { callerName, count, duration, percent, routeName } from '../format.ts';
import { serviceInForce } from '../in-force.ts';
import { news } from '../live.ts';
import { LiveChart } from '../parts/live-chart.tsx';
import { Badge, Figure, Loaded, ModeBadge, Panel, Rate, Table } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import { now } from '../server-clock.ts';
import type { Ramp, Report, Service, Status } from '../shapes.ts';
import { attention, type Around } from './attention.ts';

export function Overview() {
  const report = useResource<Report>(`report?since=${since.value}`);
  const status = useResource<Status>('status');
  const ramp = useResource<{ ramp: Ramp | null }>('ramp', 10_000, news.ramp);
  const services = useResource<{ services: readonly Service[] }>('services');
  return (
    <>
      <Loaded from={report}>
        {(data) => (
          <dl class="figures">
            <Figure label="Requests" value={count(data.requests)} />
            <Figure label="Allowed" value={count(data.allowed + data.public)} note={percentOf(data)} />
            <Figure label="Would be denied" value={count(data.would_deny)} tone={data.would_deny > 0 ? 'warn' : ''} />
            <Figure label="Denied" value={count(data.denied)} tone={data.denied > 0 ? 'bad' : ''} />
            <Figure label="Deciding, p99" value={micros(data.overhead.p99_us)} />
          </dl>
        )}
      </Loaded>
      <Panel title="Decisions per second">
        <LiveChart />
      </Panel>
      <div class="columns">
        <Panel title="Needs attention">
          <Loaded from={report}>
            {(data) => <Attention report={data} status={status.data} ramp={ramp.data?.ramp ?? null} />}
          </Loaded>
        </Panel>
        <Panel title="Health">
          <Loaded from={status}>
            {(data) => (
              <dl class="facts">
                <dt>Stack</dt>
                <dd>
                  {data.name} {data.version}
                </dd>
                <dt>Store</dt>
                <dd>
                  {data.store}{' '}
                  {data.store_up ? (
                    <Badge tone="good" sign="✓" words="answers" />
                  ) : (
                    <Badge tone="bad" sign="✕" words="does not answer" />
                  )}
                </dd>
                <dt>Running for</dt>
                <dd>{duration(data.uptime_seconds)}</dd>
                <dt>Evidence dropped</dt>
                <dd>{count(data.decisions_dropped)}</dd>
              </dl>
            )}
          </Loaded>
        </Panel>
      </div>
      <Panel title="Services">
        <Loaded from={services}>
          {(data) => (
            <Table
              caption="Services and their modes"
              hideCaption
              rows={data.services}
              keyOf={({ name }) => name}
              empty="The configuration names no service yet."
              columns={[
                { head: 'Service', cell: ({ name }) => <a href={linkTo('services', name)}>{name}</a> },
                { head: 'Mode', cell: (service) => <ModeBadge of={serviceInForce(service)} /> },
                {
                  head: 'Requests',
                  number: true,
                  cell: ({ name }) => count(report.data?.by_service[name]?.requests ?? 0),
                },
                {
                  head: 'Success',
                  number: true,
                  cell: ({ name }) => <Rate rate={report.data?.by_service[name]?.success_rate ?? null} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Panel>
      <Panel title="Callers that enforcing would refuse">
        <Loaded from={report}>
          {(data) => (
            <Table
              caption="Would-be denials"
              hideCaption
              rows={data.would_deny_groups.slice(0, 8)}
              keyOf={(row) => `${row.caller} ${row.service}${row.route} ${row.reason}`}
              empty="None in this period."
              columns={[
                { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
                { head: 'Route', cell: ({ service, route }) => <code>{routeName(service, route)}</code> },
                { head: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
                { head: 'Count', number: true, cell: ({ count: times }) => count(times) },
              ]}
            />
          )}
        </Loaded>
      </Panel>
    </>
  );
}

const thingsMax = 8;

function Attention({ report, ...around }: { report: Report } & Around) {
  const things = attention(report, around, now.value);
  if (things.length === 0) return <p class="empty">Nothing in this period.</p>;
  return (
    <ul class="attention">
      {things.slice(0, thingsMax).map((thing) => (
        <li key={thing.words}>
          <Badge tone={thing.tone} sign={thing.tone === 'bad' ? '✕' : '!'} words={thing.kind} />{' '}
          <a href={thing.link}>{thing.words}</a>
        </li>
      ))}
      {things.length > thingsMax && (
        <li>
          <a href={linkTo('report')}>{things.length - thingsMax} more: see the report</a>
        </li>
      )}
    </ul>
  );
}

const percentOf = (data: Report): string =>
  percent(data.requests === 0 ? null : (data.allowed + data.public) / data.requests);
const micros = (value: number | null): string => (value === null ? '–' : `${count(Math.round(value))} µs`);
