import { useState } from 'preact/hooks';
import { ask, mayAct } from '../api.ts';
import { news } from '../live.ts';
import { Dialog, Reason, textOf } from '../parts/dialog.tsx';
import { Loaded, Panel } from '../parts/parts.tsx';
import { useResource } from '../resource.ts';
import type { Ramp } from '../shapes.ts';
import { orders, stepMeant, titleOf, type RampOrder } from './ramp-orders.ts';
import { RampProgress } from './ramp-progress.tsx';

export function RampPage() {
  const found = useResource<{ ramp: Ramp | null }>('ramp', 10_000, news.ramp);
  const [ordered, setOrdered] = useState<{ order: RampOrder; step: ReturnType<typeof stepMeant> } | null>(null);
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
            <RampProgress ramp={ramp} onOrder={(order) => setOrdered({ order, step: stepMeant(order, ramp) })} />
          ) : (
            <Panel title="No ramp yet">
              <p>
                A ramp enforces step by step, and takes a step back by itself before it refuses a caller that you know.
              </p>
            </Panel>
          )}
          {mayAct() && <Start ramp={ramp} fault={fault} onPropose={() => void propose()} />}
          {ordered !== null && (
            <Dialog
              title={titleOf(ordered.order, ordered.step)}
              action={orders[ordered.order].action}
              danger={orders[ordered.order].danger}
              onClose={() => setOrdered(null)}
              onConfirm={async (form) => {
                const { order, step } = ordered;
                await ask(`ramp/${orders[order].path}`, 'POST', {
                  reason: textOf(form, 'reason'),
                  ...(step && { step }),
                });
                found.reload();
              }}
            >
              <p>{orders[ordered.order].words}</p>
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

/** A plan is started where no other is under way, as on the command line. */
function Start({ ramp, fault, onPropose }: { ramp: Ramp | null; fault: string | null; onPropose: () => void }) {
  if (ramp && ramp.status !== 'finished' && ramp.status !== 'withdrawn')
    return ramp.status === 'running' ? null : (
      <p class="notice">Another plan can be started as soon as all steps of this one are rolled back.</p>
    );
  return (
    <Panel title={ramp ? 'Start another ramp' : 'Start a ramp'}>
      <p>
        The proposal is made from what was recorded in the last 24 hours: the safest routes first.
        {ramp?.status === 'finished' && ' What this one enforces stays enforced: it is set as modes.'}
      </p>
      {fault !== null && <p class="notice warn">{fault}</p>}
      <button type="button" class="primary" onClick={onPropose}>
        Propose a plan
      </button>
    </Panel>
  );
}
