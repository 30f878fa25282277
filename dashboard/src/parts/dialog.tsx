import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { ApiError, enter, holdOpen, lapsed, loginFault, session } from '../api.ts';

interface DialogProps {
  readonly title: string;
  readonly action: string;
  readonly danger?: boolean;
  readonly children: ComponentChildren;
  /** Rejects with words for the operator; the dialog stays open and shows them. */
  readonly onConfirm: (form: FormData) => Promise<void>;
  readonly onClose: () => void;
}

/** What was done last, for whoever hears the page. */
export const said = signal('');

/** The browser's own modal dialog: it keeps the focus inside, closes by Escape, and gives the focus back. */
export function Dialog({ title, action, danger, children, onConfirm, onClose }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [fault, setFault] = useState('');
  const [busy, setBusy] = useState(false);
  const [confirming, setConfirming] = useState(false);
  const asks = confirming || lapsed.value;
  useEffect(() => {
    said.value = '';
    dialog.current?.showModal();
    return holdOpen();
  }, []);
  useEffect(() => {
    if (asks) dialog.current?.querySelector<HTMLElement>('.proof input, .proof a')?.focus();
  }, [asks]);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setFault('');
    try {
      const form = new FormData(event.currentTarget as HTMLFormElement);
      if (asks) await prove(form);
      setConfirming(false);
      await onConfirm(form);
      said.value = `Done: ${action}.`;
      dialog.current?.close();
    } catch (error) {
      if (error instanceof ApiError && error.confirm) setConfirming(true);
      // That the session is over is said already.
      else if (!lapsed.peek() || !(error instanceof ApiError))
        setFault(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <dialog ref={dialog} class={lapsed.value ? 'lapsed' : ''} onClose={onClose} aria-labelledby="dialog-title">
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        {asks && <Proof />}
        <p class="text-bad" role="alert">
          {fault}
        </p>
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          {/* Not disabled, which would take the focus away. */}
          <button type="submit" class={danger ? 'danger' : 'primary'} aria-disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** Asks who it is: once more before what widens or loosens, or because the session is over. */
function Proof() {
  const words = lapsed.value
    ? 'Your session is over; what you typed is not lost.'
    : 'This asks for your password again.';
  if (session.value?.operator.openid)
    return (
      <p class="notice warn proof" role="alert">
        {words}{' '}
        <a href="/admin/openid?fresh" target="_blank">
          Log in anew at your provider, in another tab
        </a>
        , then do this again.
      </p>
    );
  return (
    <>
      <p class="notice warn" role="alert">
        {words}
      </p>
      <label class="proof">
        Your password
        <input name="own-password" type="password" autocomplete="current-password" required />
      </label>
      <label>
        Code, if you have a second factor
        <input name="own-code" inputMode="numeric" autocomplete="one-time-code" />
      </label>
    </>
  );
}

async function prove(form: FormData): Promise<void> {
  const { name = '', openid = false } = session.value?.operator ?? {};
  const shown = { password: String(form.get('own-password')), code: textOf(form, 'own-code') };
  try {
    if (openid) await enter('session', 'GET');
    else if (lapsed.value) await enter('session', 'POST', { name, ...shown });
    else await enter('session/confirm', 'POST', shown);
  } catch (error) {
    throw new Error(loginFault(error), { cause: error });
  }
}

/** Shown once: the server keeps a digest of it only. */
export function Secret({ label, value, onDone }: { label: string; value: string; onDone: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const text = useRef<HTMLElement>(null);
  const [words, setWords] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const taken = useRef(false);
  /** Escape is pressed easily, and what it would take away is gone. */
  const cancel = (event: Event): void => {
    if (taken.current) return;
    event.preventDefault();
    taken.current = true;
    setWords('It was not copied yet. Escape once more closes this.');
  };
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(value);
      taken.current = true;
      setWords('Copied. Clear the clipboard afterwards.');
    } catch {
      // Without TLS there is no clipboard, and a browser may ask and be told no.
      getSelection()?.selectAllChildren(text.current as Node);
      setWords('The browser does not let this page copy. It is selected: copy it by the keyboard or the menu.');
    }
  };
  return (
    <dialog ref={dialog} onCancel={cancel} onClose={onDone} aria-labelledby="secret-title">
      <h2 id="secret-title">{label}</h2>
      <p>It is shown here once and never again. Put it where its user reads it, then close this.</p>
      <code class="secret" ref={text}>
        {value}
      </code>
      <p role="status">{words}</p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => void copy()}>
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
      <input
        name="reason"
        required
        pattern=".*\S.*"
        title="in words"
        maxLength={500}
        placeholder="Why, for whoever reads the audit"
      />
    </label>
  );
}

export const textOf = (form: FormData, name: string): string => String(form.get(name) ?? '').trim();
export const wordsOf = (form: FormData, name: string): string[] =>
  textOf(form, name)
    .split(/[\s,]+/)
    .filter(Boolean);
