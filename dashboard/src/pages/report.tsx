import { linkTo, since } from '../address.ts';
import { callerName, capital, count, exactTime, routeName } from '../format.ts';
import { Badge, Loaded, Panel, ratedColumns, RequestId, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Report } from '../shapes.ts';
import { RefusalTable } from './refusals.tsx';

const answers = {
  ready: ['good', '✓', 'ready'],
  not_ready: ['warn', '!', 'not ready'],
  unknown: ['plain', '?', 'cannot tell'],
} as const;

export function ReportPage() {
  const report = useResource<Report>(`report?since=${since.value}`, 30_000);
  return (
    <Loaded from={report}>
      {(data) => (
        <>
          <Verdict report={data} />
          <Panel title="Refusals">
            <RefusalTable report={data} matches={() => true} />
          </Panel>
          <Panel title="Busiest endpoints">
            <Table
              caption="Busiest endpoints"
              hideCaption
              rows={data.top_endpoints}
              keyOf={({ service, route }) => `${service}${route}`}
              empty="Nothing was called in this period."
              columns={[
                { head: 'Route', cell: ({ service, route }) => <code>{routeName(service, route)}</code> },
                ...ratedColumns,
              ]}
            />
          </Panel>
          <Panel title="Clocks">
            <Table
              caption="How far callers' clocks are off, seconds"
              hideCaption
              rows={data.clock_skew}
              keyOf={({ caller }) => caller}
              empty="Nobody signed a request in this period, so nothing is known about clocks."
              columns={[
                { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
                { head: 'As a rule', number: true, cell: ({ p50_s }) => `${p50_s} s` },
                { head: '99 of 100 within', number: true, cell: ({ p99_s }) => `${p99_s} s` },
                { head: 'At the most', number: true, cell: ({ max_s }) => `${max_s} s` },
              ]}
            />
          </Panel>
        </>
      )}
    </Loaded>
  );
}

function Verdict({ report: { since: from, until, verdict } }: { report: Report }) {
  const [tone, sign, words] = answers[verdict.answer];
  return (
    <Panel title="Ready to enforce?">
      <p class="dim">
        From {exactTime(from)} to {exactTime(until)}.
      </p>
      <p class="verdict">
        <Badge tone={tone} sign={sign} words={words} /> {verdict.summary}
      </p>
      {verdict.mend.length > 0 && (
        <ol class="steps">
          {verdict.mend.map((step) => (
            <li key={`${step.caller} ${step.reason} ${step.routes.join()}`}>
              <Mending step={step} />
            </li>
          ))}
        </ol>
      )}
      {verdict.concerns.length > 0 && (
        <>
          <h3>Worth knowing</h3>
          <ul>
            {verdict.concerns.map((concern) => (
              <li key={concern}>{capital(concern)}</li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  );
}

/** Callers without a name are told apart by their address. */
function Mending({ step }: { step: Report['verdict']['mend'][number] }) {
  const { caller, requests, routes, reason, client_addresses: addresses } = step;
  return (
    <>
      <p>
        <strong>{callerName(caller)}</strong>
        {caller === '' && addresses.length > 0 && ` from ${addresses.join(', ')}`}: {count(requests)}{' '}
        {requests === 1 ? 'request' : 'requests'} to <code>{routes.join(', ')}</code> would be refused (
        <code>{reason}</code>), last <Time at={step.last_seen} />, request <RequestId id={step.example_request_id} />.
      </p>
      <p>{capital(step.what)}.</p>
      {step.commands.length > 0 && <pre tabIndex={0}>{step.commands.join('\n')}</pre>}
    </>
  );
}
