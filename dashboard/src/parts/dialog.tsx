import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, enter, session } from '../api.ts';

interface DialogProps {
  readonly title: string;
  readonly action: string;
  readonly danger?: boolean;
  readonly children: ComponentChildren;
  /** Rejects with words for the operator; the dialog stays open and shows them. */
  readonly onConfirm: (form: FormData) => Promise<void>;
  readonly onClose: () => void;
}

/** The browser's own modal dialog: it keeps the focus inside, closes by Escape, and gives the focus back. */
export function Dialog({ title, action, danger, children, onConfirm, onClose }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const [confirming, setConfirming] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      const form = new FormData(event.currentTarget as HTMLFormElement);
      if (confirming && !session.value?.operator.openid)
        await enter('session/confirm', 'POST', {
          password: String(form.get('own-password')),
          code: textOf(form, 'own-code'),
        });
      await onConfirm(form);
      dialog.current?.close();
    } catch (error) {
      if (error instanceof ApiError && error.confirm) setConfirming(true);
      setFault(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="dialog-title">
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        {confirming && session.value?.operator.openid && (
          <p>
            <a href="/admin/openid?fresh">Log in anew at your provider</a>, then do this again.
          </p>
        )}
        {confirming && !session.value?.operator.openid && (
          <>
            <label>
              Your password
              <input name="own-password" type="password" autocomplete="current-password" required />
            </label>
            <label>
              Code, if you have a second factor
              <input name="own-code" inputMode="numeric" autocomplete="one-time-code" />
            </label>
          </>
        )}
        <p class="text-bad" role="alert">
          {fault}
        </p>
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** Shown once: the server keeps a digest of it only. */
export function Secret({ label, value, onDone }: { label: string; value: string; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onDone} aria-labelledby="secret-title">
      <h2 id="secret-title">{label}</h2>
      <p>It is shown here once and never again. Put it where its user reads it, then close this.</p>
      <code class="secret">{value}</code>
      <p aria-live="polite">{copied ? 'Copied. Clear the clipboard afterwards.' : ''}</p>
      <div class="buttons">
        <button
          type="button"
          class="primary"
          onClick={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}
        >
          Copy
        </button>
        <button type="button" onClick={() => dialog.current?.close()}>
          Done
        </button>
      </div>
    </dialog>
  );
}

/** Why something is done, for the audit. */
export function Reason() {
  return (
    <label>
      Reason
      <input name="reason" required maxLength={500} placeholder="Why, for whoever reads the audit" />
    </label>
  );
}

export const textOf = (form: FormData, name: string): string => String(form.get(name) ?? '').trim();
export const wordsOf = (form: FormData, name: string): string[] =>
  textOf(form, name)
    .split(/[\s,]+/)
    .filter(Boolean);
