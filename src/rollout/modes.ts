import type { Clock } from '../core/clock.ts';
import { follow } from '../core/follow.ts';
import { isMode, type Mode } from '../core/mode.ts';
import type { ModeSource } from '../core/mode-source.ts';
import type { ModeRow, Store } from '../core/store.ts';
import { orderedAtOf } from './ramp/record.ts';

/**
 * The most specific level wins (route, service, stack); at each level what was set at run time wins over the environment
 * (stack only), and that over the file.
 */
export interface Modes extends ModeSource {
  /** Every level that says something, for people: where it was set and what it comes to. */
  describe(): ModeLine[];
  /** Scope: '' the stack, 'embeddings', 'embeddings/embed'. Rejects with a plain message when it names nothing known. */
  set(scope: string, mode: Mode, by: string): Promise<void>;
  /** Clears every level and sets the stack, over whatever the file says. */
  setAll(mode: Mode, by: string): Promise<void>;
  /** Back to what the environment and the file say. */
  clear(scope: string | null): Promise<void>;
  /** Another number whenever the modes may be others. */
  version(): number;
  /**
   * When somebody last set, at any level over a rule, that it is not to be enforced, epoch seconds; null where nobody has.
   * Label: as a route has it.
   */
  loweredAt(service: string, routeLabel: string): number | null;
  /** Since when the modes are known to be behind the store, by performance.now(); null while they are level. */
  behindSince(): number | null;
  close(): void;
}

export interface ModeLine {
  readonly scope: string;
  readonly mode: Mode;
  readonly source: 'run-time' | 'run-time, all levels' | 'environment' | 'file' | 'default';
  readonly setBy: string | null;
  readonly setAt: number | null;
}

/** What the file says. Asked anew each time, so that a reload takes effect at once. */
export interface FileModes {
  readonly stack: Mode;
  /** True when the file names no mode for the stack and `stack` is the default. */
  readonly stackIsDefault?: boolean;
  /** Asked on every request: a look-up in memory. */
  service(name: string): Mode | null;
  /** Everything that can be named, in the order of the file: services ('embeddings') and rules ('embeddings/embed'). */
  scopes(): readonly { readonly scope: string; readonly mode: Mode | null }[];
}

export interface ModesOptions {
  readonly store: Pick<Store, 'modes' | 'records' | 'watch'>;
  readonly file: FileModes;
  /** SERVICE_AUTH_ENFORCEMENT_MODE, or null. */
  readonly environment: Mode | null;
  readonly clock: Clock;
  /** Whether a service or a rule of this name exists. */
  readonly knows: (scope: string) => boolean;
  /** Told of what the store no longer enforces after changes were missed. */
  readonly onWarning?: (text: string) => void;
}

/** Thrown by `set` and `clear`; compare the code. */
export class UnknownScopeError extends Error {
  readonly code = 'unknown_scope';
  constructor(scope: string, known: readonly string[]) {
    const names = known.length === 0 ? 'no services are configured' : `known are ${known.join(', ')}`;
    super(`no service or route "${scope}"; ${names}`);
    this.name = 'UnknownScopeError';
  }
}

/** The rows, arranged for look-ups that allocate nothing. */
interface Held {
  readonly rows: ReadonlyMap<string, ModeRow>;
  readonly all: Mode | null;
  readonly stack: Mode | null;
  readonly services: ReadonlyMap<string, HeldService>;
}

interface HeldService {
  mode: Mode | null;
  readonly routes: Map<string, Mode>;
}

/**
 * Rejects when the store cannot be read; after that an outage leaves the last known modes in force. What is set or cleared here
 * counts here when that has resolved; should reading it back fail, the change feed brings it.
 */
export async function modes(options: ModesOptions): Promise<Modes> {
  const { store, file, environment, clock, knows, onWarning = () => undefined } = options;
  let held = hold(await store.modes.list());
  let version = 0;
  let missed = false;

  // Before whoever reads everything anew because of it.
  const stop = store.watch(({ topic }) => {
    if (topic === 'resync') missed = true;
  });

  // That the store is away is said once for all that is read from it.
  const following = follow({
    store,
    concerns: ({ topic }) => topic === 'modes',
    async read() {
      const before = held;
      held = hold(await store.modes.list());
      version += 1;
      if (!missed) return;
      missed = false;
      const gone = noLongerEnforced(before.rows, held.rows);
      if (gone.length > 0) onWarning(goneWords(gone));
    },
    onFailure: () => undefined,
  });

  /** What is set now comes after a ramp that was ordered before, also by somebody whose clock is ahead of ours. */
  async function afterRamp(): Promise<number> {
    return Math.max(clock(), await orderedAtOf(store.records, clock()));
  }

  return {
    modeOf(service, routeLabel, fileMode) {
      const { all, stack, services } = held;
      const level = services.get(service);
      if (level) {
        const mode = level.routes.get(routeLabel);
        if (mode !== undefined) return mode;
      }
      if (all === null && fileMode !== null) return fileMode;
      if (level && level.mode !== null) return level.mode;
      if (all === null) {
        const mode = file.service(service);
        if (mode !== null) return mode;
      }
      return stack ?? all ?? environment ?? file.stack;
    },

    describe: () => describe(held, file, environment),

    behindSince: following.behindSince,

    version: () => version,

    loweredAt(service, routeLabel) {
      const rows = ['', '*', service, service + routeLabel].map((scope) => held.rows.get(scope));
      const lowered = rows.filter((row) => row !== undefined).filter(({ mode }) => mode !== 'enforce');
      return lowered.length === 0 ? null : Math.max(...lowered.map(({ setAt }) => setAt));
    },

    async set(scope, mode, by) {
      if (scope !== '' && !knows(scope)) throw new UnknownScopeError(scope, namesOf(file));
      await store.modes.set({ scope, mode, setAt: await afterRamp(), setBy: by });
      await following.reread();
    },

    async setAll(mode, by) {
      await store.modes.setAll({ scope: '*', mode, setAt: await afterRamp(), setBy: by });
      await following.reread();
    },

    async clear(scope) {
      // What is set can be cleared, even when the file no longer knows it.
      if (scope !== null && scope !== '' && !held.rows.has(scope) && !knows(scope))
        throw new UnknownScopeError(scope, namesOf(file));
      await store.modes.clear(scope);
      await following.reread();
    },

    close() {
      stop();
      following.close();
    },
  };
}

/** What was enforced at run time, and is not while nothing newer says so: lost, or taken back while nobody listened. */
function noLongerEnforced(before: Held['rows'], now: Held['rows']): string[] {
  return [...before.values()].flatMap(({ scope, mode, setAt }) => {
    const rows = [now.get(scope), now.get('*')].filter((row) => row !== undefined);
    const stands = rows.some((row) => row.mode === 'enforce' || row.setAt > setAt);
    return mode !== 'enforce' || stands ? [] : [scope];
  });
}

function goneWords(scopes: readonly string[]): string {
  const names = scopes.map((scope) => (scope === '' || scope === '*' ? 'the stack' : scope));
  return `the store no longer says that these are enforced, as was set at run time: ${names.join(', ')}; it has lost that, unless somebody took it back meanwhile: see countersign mode get, and set it anew`;
}

function namesOf(file: FileModes): string[] {
  return file.scopes().map(({ scope }) => scope);
}

/** What is no mode, since somebody misspelt it in the database or a newer version knows more of them, must not let anybody pass. */
function safe(row: ModeRow): ModeRow {
  return isMode(row.mode) ? row : { ...row, mode: 'enforce' };
}

function hold(stored: readonly ModeRow[]): Held {
  const rows = stored.map(safe);
  const byScope = new Map(rows.map((row) => [row.scope, row]));
  const services = new Map<string, HeldService>();
  for (const { scope, mode } of rows) {
    if (scope === '' || scope === '*') continue;
    const slash = scope.indexOf('/');
    const name = slash === -1 ? scope : scope.slice(0, slash);
    let service = services.get(name);
    if (!service) services.set(name, (service = { mode: null, routes: new Map<string, Mode>() }));
    if (slash === -1) service.mode = mode;
    else service.routes.set(scope.slice(slash), mode);
  }
  return { rows: byScope, all: byScope.get('*')?.mode ?? null, stack: byScope.get('')?.mode ?? null, services };
}

function describe(held: Held, file: FileModes, environment: Mode | null): ModeLine[] {
  const lines: ModeLine[] = [stackLine(held, file, environment)];
  const listed = new Set(['', '*']);
  for (const { scope, mode } of file.scopes()) {
    listed.add(scope);
    const row = held.rows.get(scope);
    if (row) lines.push(rowLine(row, scope, 'run-time'));
    else if (mode !== null && held.all === null) lines.push({ scope, mode, source: 'file', setBy: null, setAt: null });
  }
  // Set once for something that the file has lost since: it waits there until it comes back or is cleared.
  for (const row of held.rows.values()) if (!listed.has(row.scope)) lines.push(rowLine(row, row.scope, 'run-time'));
  return lines;
}

function stackLine(held: Held, file: FileModes, environment: Mode | null): ModeLine {
  const row = held.rows.get('');
  if (row) return rowLine(row, '', 'run-time');
  const all = held.rows.get('*');
  if (all) return rowLine(all, '', 'run-time, all levels');
  if (environment !== null) return { scope: '', mode: environment, source: 'environment', setBy: null, setAt: null };
  return { scope: '', mode: file.stack, source: file.stackIsDefault ? 'default' : 'file', setBy: null, setAt: null };
}

function rowLine(row: ModeRow, scope: string, source: ModeLine['source']): ModeLine {
  return { scope, mode: row.mode, source, setBy: row.setBy, setAt: row.setAt };
}
