import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { followSession, lapsed, logOut, session, startFault } from './api.ts';
import { linkTo, place, since, setQuery } from './address.ts';
import { callerName, clockTime, serviceName } from './format.ts';
import { listen, staleSince, streamRefused } from './live.ts';
import { Account } from './pages/account.tsx';
import { Audit } from './pages/audit.tsx';
import { Caller } from './pages/caller.tsx';
import { Callers } from './pages/callers.tsx';
import { Checks } from './pages/checks.tsx';
import { Events } from './pages/events.tsx';
import { Graph } from './pages/graph.tsx';
import { Keys } from './pages/keys.tsx';
import { LearnPage } from './pages/learn.tsx';
import { Login } from './pages/login.tsx';
import { Overview } from './pages/overview.tsx';
import { RampPage } from './pages/ramp.tsx';
import { ReportPage } from './pages/report.tsx';
import { ServicePage } from './pages/service.tsx';
import { Services } from './pages/services.tsx';
import { Tokens } from './pages/tokens.tsx';
import { runClock } from './server-clock.ts';
import { said } from './parts/dialog.tsx';
import { theme, type Theme } from './theme.ts';

interface Page {
  readonly title: string;
  readonly view: () => preact.JSX.Element;
  /** Whether what it shows depends on the period. */
  readonly spans?: boolean;
}

const pages: Readonly<Record<string, Page>> = {
  overview: { title: 'Overview', view: Overview, spans: true },
  graph: { title: 'Call graph', view: Graph, spans: true },
  services: { title: 'Services', view: Services, spans: true },
  callers: { title: 'Callers', view: Callers, spans: true },
  keys: { title: 'Keys', view: Keys },
  tokens: { title: 'Tokens', view: Tokens },
  ramp: { title: 'Ramp', view: RampPage },
  audit: { title: 'Decisions', view: Audit },
  events: { title: 'Changes', view: Events },
  report: { title: 'Report', view: ReportPage, spans: true },
  learn: { title: 'Route proposal', view: LearnPage, spans: true },
  checks: { title: 'Checks', view: Checks },
  account: { title: 'Account', view: Account },
};

/** Pages of one thing, which stand behind their list. */
const single: Readonly<
  Record<string, { title(name: string): string; view(props: { name: string }): preact.JSX.Element }>
> = {
  services: { title: serviceName, view: ServicePage },
  callers: { title: callerName, view: Caller },
};

export function App() {
  useEffect(() => followSession(), []);
  if (session.value === null) return <Login />;
  // Of another operator nothing stays, not even what was typed.
  if (session.value) return <Shell key={session.value.operator.name} />;
  if (startFault.value === null) return <p class="waiting">Loading…</p>;
  return (
    <main class="login">
      <p class="notice bad" role="alert">
        <strong>It is not known whether you are logged in.</strong> {startFault.value} This page tries again.
      </p>
    </main>
  );
}

function Shell() {
  const { page, subject } = place.value;
  const main = useRef<HTMLElement>(null);
  const nav = useRef<HTMLElement>(null);
  const before = useRef<string | null>(null);
  const known = pages[page];
  const one = subject === null ? undefined : single[page];
  const title = one ? one.title(subject ?? '') : (known?.title ?? 'Not found');
  useEffect(() => (lapsed.value ? undefined : listen()), [lapsed.value]);
  useEffect(() => keepFocus(main), []);
  useEffect(() => runClock(), []);
  useEffect(() => {
    document.title = `${title} – Countersign`;
    // On a phone the pages stand in a row that is wider than the screen.
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
    scrollTo(0, 0);
    // Not at the first: then the skip link comes first. Later on the link that was followed is gone, and the focus with it.
    if (before.current !== null && before.current !== title) main.current?.focus({ preventScroll: true });
    before.current = title;
  }, [title]);
  return (
    <div class="shell">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <header class="side">
        <a class="brand" href={linkTo('overview')}>
          <img src="/dashboard/favicon.svg" alt="" width="24" height="24" />
          Countersign
        </a>
        <nav aria-label="Pages" ref={nav}>
          {Object.entries(pages).map(([name, { title: label }]) => (
            <a key={name} href={linkTo(name)} aria-current={name === page ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <Settings />
      </header>
      <main id="main" tabIndex={-1} ref={main} aria-labelledby="title">
        <div class="head">
          <h1 id="title">{title}</h1>
          {known?.spans && <Span />}
        </div>
        <Stale />
        <p class="hidden" role="status">
          {said.value}
        </p>
        {one ? <one.view name={subject ?? ''} /> : known ? <known.view /> : <p>There is no such page.</p>}
      </main>
    </div>
  );
}

/** What had the focus may go with what was done to it, as the row of a key that is revoked: then it is at the page again. */
function keepFocus(main: RefObject<HTMLElement | null>): () => void {
  let last: Element | null = null;
  const note = ({ target }: FocusEvent): void => void (last = target as Element);
  const look = new MutationObserver(() => {
    if (last && !last.isConnected && document.activeElement === document.body)
      main.current?.focus({ preventScroll: true });
  });
  document.addEventListener('focusin', note);
  look.observe(document.body, { childList: true, subtree: true });
  return () => {
    look.disconnect();
    document.removeEventListener('focusin', note);
  };
}

function Settings() {
  const operator = session.value?.operator;
  return (
    <div class="settings">
      <span class="who dim">{operator && `${operator.name}, ${operator.role}`}</span>
      <label>
        Theme
        <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
          <option value="auto">as the system</option>
          <option value="light">light</option>
          <option value="dark">dark</option>
        </select>
      </label>
      <button type="button" class="quiet" onClick={() => void logOut()}>
        Log out
      </button>
    </div>
  );
}

function Span() {
  const spans = [
    ['15m', '15 minutes'],
    ['1h', 'hour'],
    ['24h', '24 hours'],
    ['7d', '7 days'],
  ] as const;
  return (
    <label class="span">
      Last
      <select value={since.value} onChange={(event) => setQuery({ since: event.currentTarget.value })}>
        {/* An address may have any period. */}
        {!spans.some(([value]) => value === since.value) && <option value={since.value}>{since.value}</option>}
        {spans.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

function Stale() {
  const at = staleSince.value;
  return (
    <div aria-live="polite">
      {at !== null && (
        <p class="notice warn">
          <strong>Stale since {clockTime(at)}.</strong>{' '}
          {streamRefused.value === null
            ? 'The server does not answer; trying again.'
            : `The server answers, but does not send what happens now (${streamRefused.value}); trying again.`}
        </p>
      )}
    </div>
  );
}
