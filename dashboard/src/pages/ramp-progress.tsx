import { linkTo } from '../address.ts';
import { mayAct } from '../api.ts';
import { callerName, duration } from '../format.ts';
import { Badge, Panel, RequestId, Table, Time } from '../parts/parts.tsx';
import type { Ramp } from '../shapes.ts';
import { orders, ordersOf, type RampOrder } from './ramp-orders.ts';

const stepBadges: Readonly<Record<Ramp['steps'][number]['status'], readonly [tone: string, sign: string]>> = {
  waiting: ['plain', '○'],
  enforced: ['warn', '◐'],
  passed: ['good', '✓'],
  rolled_back: ['bad', '✕'],
};

/** Where the ramp is, and what speaks for and against going on. */
export function RampProgress({ ramp, onOrder }: { ramp: Ramp; onOrder: (order: RampOrder) => void }) {
  const buttons = mayAct() && (
    <div class="orders">
      {ordersOf(ramp).map((order) => (
        <button key={order} type="button" class={order === 'rollback' ? 'primary' : ''} onClick={() => onOrder(order)}>
          {orders[order].action}
        </button>
      ))}
    </div>
  );
  return (
    <>
      <Panel title={`${ramp.name}: ${ramp.status}`} actions={buttons}>
        <p class="dim">
          Started <Time at={ramp.started_at} /> by {ramp.started_by}. <Standing ramp={ramp} />
        </p>
        <Cohort ramp={ramp} />
        <Table
          caption="Steps"
          hideCaption
          rows={ramp.steps.map((step, index) => ({ ...step, number: index + 1 }))}
          keyOf={({ number }) => String(number)}
          empty="The plan has no steps."
          columns={[
            { head: 'Step', cell: ({ number }) => number },
            {
              head: 'Status',
              cell: ({ status }) => {
                const [tone, sign] = stepBadges[status];
                return <Badge tone={tone} sign={sign} words={status.replace('_', ' ')} />;
              },
            },
            { head: 'Callers', number: true, cell: ({ callers_percent }) => `${callers_percent} %` },
            { head: 'Soak', number: true, cell: ({ soak_seconds }) => duration(soak_seconds) },
            {
              head: 'Next step',
              cell: ({ promote, number }) =>
                number === ramp.steps.length ? (
                  <span class="dim">–</span>
                ) : promote === 'auto' ? (
                  'by itself'
                ) : (
                  'by hand'
                ),
            },
            { head: 'Routes', cell: ({ routes }) => <code>{routes.join(' ')}</code> },
          ]}
        />
      </Panel>
      <Gates ramp={ramp} />
    </>
  );
}

/** Of a step for a part of the callers: who they are. */
function Cohort({ ramp: { step, steps, callers_seen: seen, callers_within: within } }: { ramp: Ramp }) {
  if ((steps[step - 1]?.callers_percent ?? 100) === 100 || seen.length === 0) return null;
  return (
    <p class="dim">
      Of the {seen.length} callers seen at its routes it is for {within.length === 0 ? 'nobody yet' : within.join(', ')}
      .
    </p>
  );
}

function Standing({ ramp: { status, step, steps, since, successes, successes_needed: needed } }: { ramp: Ramp }) {
  const soak = steps[step - 1]?.soak_seconds ?? 0;
  switch (status) {
    case 'running':
      return (
        <>
          Step {step} was begun <Time at={since} />, and is watched for {duration(soak)} at least. The gates said yes{' '}
          {successes} times in a row, needed: {needed}.
        </>
      );
    case 'paused':
      return <>It stands still at step {step}, which stays enforced.</>;
    case 'stopped':
      return <>Step {step} was rolled back; what other steps enforce stays enforced.</>;
    case 'finished':
      return <>All its steps have passed and stay enforced.</>;
    case 'withdrawn':
      return <>Nothing of it is enforced any more.</>;
  }
}

const titles: Readonly<Record<Ramp['status'], string>> = {
  running: 'Gates',
  paused: 'Gates',
  stopped: 'Findings',
  finished: 'Gates',
  withdrawn: 'Why it was rolled back',
};

/** Of a ramp that has ended nothing is asked any more: then there is only what was found. */
function Gates({ ramp: { status, findings, culprits, strangers } }: { ramp: Ramp }) {
  const isAsked = status === 'running' || status === 'paused';
  if (!isAsked && findings.length === 0 && culprits.length === 0) return null;
  return (
    <Panel title={titles[status]}>
      <div aria-live="polite">
        {isAsked && findings.length === 0 && <p>Nothing speaks against going on.</p>}
        {findings.length > 0 && (
          <ul>
            {findings.map((words) => (
              <li key={words}>{words}</li>
            ))}
          </ul>
        )}
      </div>
      {isAsked && culprits.length === 0 && <p class="dim">No known caller is, or would be, refused.</p>}
      {culprits.length > 0 && (
        <Table
          caption="Who is, or would be, refused"
          rows={culprits}
          keyOf={({ caller, route, reason }) => `${caller} ${route} ${reason}`}
          empty=""
          columns={[
            { head: 'Caller', cell: ({ caller }) => <a href={linkTo('callers', caller)}>{callerName(caller)}</a> },
            { head: 'Route', cell: ({ route }) => <code>{route}</code> },
            { head: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
            { head: 'Example', cell: ({ request_id }) => <RequestId id={request_id} /> },
          ]}
        />
      )}
      {!isAsked && culprits.length > 0 && <p>Mend what is named, then resume.</p>}
      {strangers.length > 0 && <Strangers strangers={strangers} />}
    </Panel>
  );
}

/** No gate asks for them, but one may be a health check that nobody gave a key. */
function Strangers({ strangers }: Pick<Ramp, 'strangers'>) {
  return (
    <Table
      caption="Refused by this step, and nobody known; is one of them yours?"
      rows={strangers}
      keyOf={({ caller, client_address, route, reason }) => `${caller} ${client_address} ${route} ${reason}`}
      empty=""
      columns={[
        { head: 'Caller', cell: ({ caller }) => callerName(caller) },
        { head: 'From', cell: ({ client_address }) => client_address },
        { head: 'Route', cell: ({ route }) => <code>{route}</code> },
        { head: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
        { head: 'Requests', number: true, cell: ({ requests }) => requests },
        { head: 'Example', cell: ({ request_id }) => <RequestId id={request_id} /> },
      ]}
    />
  );
}
