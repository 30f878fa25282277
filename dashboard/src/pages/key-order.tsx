import { useRef, useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { Dialog, Reason, Secret, textOf } from '../parts/dialog.tsx';
import { Time } from '../parts/parts.tsx';
import type { KeyLine } from '../shapes.ts';

export type Order = 'Rotate' | 'Finish' | 'Retire' | 'Revoke';

interface OrderProps {
  readonly line: KeyLine;
  readonly onChange: () => void;
  readonly onClose: () => void;
}

interface KeyOrderProps extends OrderProps {
  readonly order: Order;
  /** Whether the last rotation of the key is not over. */
  readonly isOpen: boolean;
}

export function KeyOrder({ order, ...rest }: KeyOrderProps) {
  switch (order) {
    case 'Rotate':
      return <Rotate {...rest} />;
    case 'Finish':
      return <Finish id={rest.line.id} service={rest.line.service} {...rest} />;
    case 'Retire':
      return <Retire {...rest} />;
    case 'Revoke':
      return <Revoke {...rest} />;
  }
}

interface Made {
  readonly id: string;
  readonly key: string;
}

/** Made, shown, and only when somebody says that its caller has it does the old key get its end. */
function Rotate({ line, isOpen, onChange, onClose }: OrderProps & { isOpen: boolean }) {
  const [made, setMade] = useState<Made | null>(null);
  const [seen, setSeen] = useState(false);
  // The dialog closes behind what it made, which is not the end then.
  const isMade = useRef(false);
  if (made && seen) return <Finish id={made.id} service={line.service} onChange={onChange} onClose={onClose} />;
  if (made) return <Secret label={`The new key of ${line.service}`} value={made.key} onDone={() => setSeen(true)} />;
  return (
    <Dialog
      title={`Rotate key ${line.id}?`}
      action="Make the new key"
      onClose={() => isMade.current || onClose()}
      onConfirm={async (form) => {
        const days = textOf(form, 'days');
        const answer = await ask<Made>(`keys/${line.id}/rotate`, 'POST', {
          reason: textOf(form, 'reason'),
          anew: form.get('anew') !== null,
          ...(days && { expires_in_days: Number(days) }),
        });
        isMade.current = true;
        setMade(answer);
        onChange();
      }}
    >
      <p>
        <strong>{line.service}</strong> gets a new key with the same scopes and addresses. Both are accepted until you
        say that it has the new one.
      </p>
      <label>
        Ends after, days
        <input name="days" type="number" min="1" max="3650" placeholder="as long as the old one was meant to" />
      </label>
      {isOpen && (
        <label class="choice">
          <input type="checkbox" name="anew" /> <span>The new key of the last rotation was lost: make another</span>
        </label>
      )}
      <Reason />
    </Dialog>
  );
}

function Finish({ id, service, onChange, onClose }: Omit<OrderProps, 'line'> & { id: string; service: string }) {
  return (
    <Dialog
      title={`Does ${service} have the new key?`}
      action="It has: end the old one"
      onClose={onClose}
      onConfirm={async (form) => {
        const body = { grace_hours: Number(textOf(form, 'hours')), reason: textOf(form, 'reason') };
        await ask(`keys/${id}/finish`, 'POST', body);
        onChange();
      }}
    >
      <p>
        Key <code>{id}</code> becomes the current one. If you cancel, both go on being accepted, and Finish stands
        beside the new one.
      </p>
      <label>
        The old one is accepted for, hours
        <input name="hours" type="number" min="0" max="8760" value="24" required />
      </label>
      <Reason />
    </Dialog>
  );
}

function Retire({ line, onChange, onClose }: OrderProps) {
  return (
    <Dialog
      title={`Retire key ${line.id}?`}
      action="Retire"
      danger
      onClose={onClose}
      onConfirm={async (form) => {
        await ask(`keys/${line.id}/retire`, 'POST', {
          unused_hours: Number(textOf(form, 'hours')),
          force: form.get('force') !== null,
          reason: textOf(form, 'reason'),
        });
        onChange();
      }}
    >
      <p>
        It was replaced, and ends for good if nobody has used it for a while. Last used:{' '}
        <Time at={line.last_used?.at ?? null} />
        {line.last_used && ` by ${line.last_used.by} from ${line.last_used.from}`}.
      </p>
      <label>
        Unused for, hours
        <input name="hours" type="number" min="0" max="8760" value="24" required />
      </label>
      <label class="choice">
        <input type="checkbox" name="force" /> <span>End it whoever uses it</span>
      </label>
      <Reason />
    </Dialog>
  );
}

function Revoke({ line, onChange, onClose }: OrderProps) {
  return (
    <Dialog
      title={`Revoke key ${line.id}?`}
      action="Revoke"
      danger
      onClose={onClose}
      onConfirm={async (form) => {
        await ask(`keys/${line.id}`, 'DELETE', { reason: textOf(form, 'reason') });
        onChange();
      }}
    >
      <p>
        Every call of <strong>{line.service}</strong> with this key is refused at once, on every replica. This cannot be
        taken back.
      </p>
      <p class="dim">
        Last used: <Time at={line.last_used?.at ?? null} />
      </p>
      <Reason />
    </Dialog>
  );
}
