import { useState } from 'preact/hooks';
import { ask, mayAct } from '../api.ts';
import { Dialog, Reason, textOf } from '../parts/dialog.tsx';

/** Sets the mode of a scope, with a reason: it decides what passes. */
export function ModeButton({ scope, onDone }: { scope: string; onDone: () => void }) {
  const [open, setOpen] = useState(false);
  if (!mayAct()) return null;
  const whose = scope === '' ? 'the whole stack' : scope;
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Set mode
      </button>
      {open && (
        <Dialog
          title={`Mode of ${whose}`}
          action="Set mode"
          danger
          onClose={() => setOpen(false)}
          onConfirm={async (form) => {
            await ask('modes', 'PUT', { scope, mode: textOf(form, 'mode'), reason: textOf(form, 'reason') });
            onDone();
          }}
        >
          <fieldset>
            <legend>Mode</legend>
            {choices.map(([value, words]) => (
              <label key={value} class="choice">
                <input type="radio" name="mode" value={value} required /> <span>{words}</span>
              </label>
            ))}
          </fieldset>
          <Reason />
        </Dialog>
      )}
    </>
  );
}

const choices = [
  ['enforce', 'enforce: what is not allowed is refused'],
  ['report', 'report: all is judged and recorded, and passes'],
  ['off', 'off: nothing is judged'],
  ['inherit', 'inherit: take back what was set here'],
] as const;
