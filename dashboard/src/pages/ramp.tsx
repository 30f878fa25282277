import { useState } from 'preact/hooks';
import { ask, mayAct } from '../api.ts';
import { news } from '../live.ts';
import { Dialog, Reason, textOf } from '../parts/dialog.tsx';
import { Loaded, Panel, Table, Time } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Ramp } from '../shapes.ts';

const orders = {
  promote: { title: 'Go on to the next step now?', action: 'Promote', danger: true, words: 'Whatever the gates say.' },
  pause: {
    title: 'Pause the ramp?',
    action: 'Pause',
    danger: false,
    words: 'Nothing follows; what is enforced stays so.',
  },
  resume: {
    title: 'Go on with the ramp?',
    action: 'Resume',
    danger: true,
    words: 'The first step that has not passed is enforced, and watched from the beginning of its soak.',
  },
  rollback: {
    title: 'Take the newest step back?',
    action: 'Roll back',
    danger: false,
    words: 'Its routes are reported again, on every replica and at once. What other steps enforce stays.',
  },
} as const;

type Order = keyof typeof orders;

export function RampPage() {
  const found = useResource<{ ramp: Ramp | null }>('ramp', 10_000, news.ramp);
  const [order, setOrder] = useState<Order | null>(null);
  const [plan, setPlan] = useState<string | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const propose = async (): Promise<void> => {
    try {
      setPlan((await ask<{ plan: string }>('ramp/proposal?since=24h')).plan);
      setFault(null);
    } catch (error) {
      setFault(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Loaded from={found}>
      {({ ramp }) => (
        <>
          {ramp ? (
            <Progress ramp={ramp} onOrder={setOrder} />
          ) : (
            <Panel title="No ramp yet">
              <p>
                A ramp enforces step by step, and takes a step back by itself before it refuses a caller that you know.
              </p>
            </Panel>
          )}
          {mayAct() && (!ramp || ramp.status === 'finished' || ramp.status === 'withdrawn') && (
            <Panel title="Start a ramp">
              <p>The proposal is made from what was recorded in the last 24 hours: the safest routes first.</p>
              {fault !== null && <p class="notice warn">{fault}</p>}
              <button type="button" class="primary" onClick={() => void propose()}>
                Propose a plan
              </button>
            </Panel>
          )}
          {order !== null && (
            <Dialog
              title={orders[order].title}
              action={orders[order].action}
              danger={orders[order].danger}
              onClose={() => setOrder(null)}
              onConfirm={async (form) => {
                await ask(`ramp/${order}`, 'POST', { reason: textOf(form, 'reason') });
                found.reload();
              }}
            >
              <p>{orders[order].words}</p>
              <Reason />
            </Dialog>
          )}
          {plan !== null && (
            <Dialog
              title="Start this ramp?"
              action="Start"
              danger
              onClose={() => setPlan(null)}
              onConfirm={async (form) => {
                await ask('ramp', 'POST', { plan: textOf(form, 'plan'), reason: textOf(form, 'reason') });
                found.reload();
              }}
            >
              <label>
                Plan
                <textarea name="plan" rows={16} required spellcheck={false} defaultValue={plan} />
              </label>
              <Reason />
            </Dialog>
          )}
        </>
      )}
    </Loaded>
  );
}

function Progress({ ramp, onOrder }: { ramp: Ramp; onOrder: (order: Order) => void }) {
  const may: readonly Order[] =
    ramp.status === 'running'
      ? ['rollback', 'promote', 'pause']
      : ramp.status === 'paused'
        ? ['rollback', 'promote', 'resume']
        : ramp.status === 'finished'
          ? ['rollback']
          : ['resume'];
  const buttons = mayAct() && (
    <div class="orders">
      {may.map((order) => (
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
          Started <Time at={ramp.started_at} /> by {ramp.started_by}. Step {ramp.step} is watched since{' '}
          <Time at={ramp.since} />.
        </p>
        <Table
          caption="Steps"
          hideCaption
          rows={ramp.steps.map((step, index) => ({ ...step, number: index + 1 }))}
          keyOf={({ number }) => String(number)}
          empty="The plan has no steps."
          columns={[
            { head: 'Step', cell: ({ number }) => number },
            { head: 'Status', cell: ({ status }) => <strong>{status.replace('_', ' ')}</strong> },
            { head: 'Callers', cell: ({ callers_percent }) => `${callers_percent} %` },
            { head: 'Soak', cell: ({ soak_seconds }) => `${Math.round(soak_seconds / 60)} min` },
            { head: 'Next step', cell: ({ promote }) => (promote === 'auto' ? 'by itself' : 'by hand') },
            { head: 'Routes', cell: ({ routes }) => <code>{routes.join(' ')}</code> },
          ]}
        />
      </Panel>
      <Panel title="Gates">
        <div aria-live="polite">
          {ramp.findings.length === 0 ? (
            <p>Nothing speaks against the next step.</p>
          ) : (
            <ul>
              {ramp.findings.map((words) => (
                <li key={words}>{words}</li>
              ))}
            </ul>
          )}
        </div>
        <Table
          caption="Who is, or would be, refused"
          rows={ramp.culprits}
          keyOf={({ caller, route, reason }) => `${caller} ${route} ${reason}`}
          empty="Nobody who is known."
          columns={[
            { head: 'Caller', cell: ({ caller }) => caller },
            { head: 'Route', cell: ({ route }) => <code>{route}</code> },
            { head: 'Reason', cell: ({ reason }) => <code>{reason}</code> },
            { head: 'Example', cell: ({ request_id }) => <code>{request_id}</code> },
          ]}
        />
      </Panel>
    </>
  );
}
