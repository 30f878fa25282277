import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { answerMarksMax, hasTooManyValues } from '../core/json/values.ts';
import { isObject, type JsonObject } from '../core/json/object.ts';
import type { Command } from './command.ts';
import { parsed } from './exact-json.ts';
import { lines } from './lines.ts';
import { spoken } from './spoken.ts';
import type { Watchdog } from './watchdog.ts';

/** One running MCP server, with all that it starts. */
export interface ServerProcess {
  /** Also the id of its process group. */
  readonly pid: number;
  /** False when it is over, or reads so little that nothing more is kept for it. */
  send(message: JsonObject): boolean;
  /** It is not read for the moment. */
  readonly paused: boolean;
  pause(): void;
  resume(): void;
  /** Closes its input, asks it to end, and then ends it; resolves when it is gone. */
  end(): Promise<void>;
  /** Ends it and all that it started at once. */
  kill(why: string): void;
}

export interface ProcessEvents {
  onMessage(message: JsonObject): void;
  /** Once. `how` in plain words; `asked`: somebody called `end`. */
  onEnd(how: string, asked: boolean): void;
  say(text: string): void;
}

/**
 * Waits for a word before it becomes the server, so that there is no moment in which the server runs and the watchdog does
 * not know it. A core dump would hold the secrets.
 */
const launcher = 'IFS= read -r go <&3 && [ "$go" = go ] || exit 125; exec 3<&-; ulimit -c 0 2>/dev/null; exec "$@"';

const messageBytesMax = 16_777_216;
const unreadBytesMax = 16_777_216;
/** Between closing its input, SIGTERM and SIGKILL. */
const patienceMillis = 1000;

/** Throws when it cannot be started at all; what goes wrong later is told by `onEnd`. */
export function startProcess(command: Command, dog: Watchdog, events: ProcessEvents): ServerProcess {
  const environment = command.environment();
  const child = spawn('/bin/sh', ['-c', launcher, 'sh', command.command, ...command.args], {
    cwd: command.cwd,
    env: environment,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) {
    child.on('error', () => undefined);
    throw new Error(`${command.command} cannot be started in ${command.cwd}`);
  }
  dog.watch(pid);
  (child.stdio[3] as Writable).on('error', () => undefined).end('go\n');
  return new Running(child, pid, command, environment, dog, events);
}

class Running implements ServerProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #stdin: Writable;
  readonly #stdout: Readable;
  #asked = false;
  #why = '';
  #over = false;
  readonly #gone = Promise.withResolvers<void>();

  constructor(
    child: ChildProcess,
    pid: number,
    command: Command,
    environment: Readonly<Record<string, string>>,
    dog: Watchdog,
    events: ProcessEvents,
  ) {
    this.pid = pid;
    this.#child = child;
    this.#stdin = child.stdin as Writable;
    this.#stdout = child.stdout as Readable;
    const mark = `${command.service}[${pid}]`;
    const secrets = command.secretValues(environment);
    const aside = spoken(`${mark} wrote to standard output what is no message`, secrets, events.say);
    const read = lines(
      messageBytesMax,
      (line) => this.#read(line, events, aside),
      () => this.kill('it sent a message of more than 16 MiB'),
    );
    this.#stdout.on('data', read).on('error', () => undefined);
    child.stderr?.on('data', spoken(mark, secrets, events.say)).on('error', () => undefined);
    this.#stdin.on('error', () => undefined);
    child.on('error', () => undefined);
    child.on('exit', () => {
      this.#over = true;
      // What it started must not outlive it.
      signalGroup(pid, 'SIGKILL');
      dog.unwatch(pid);
      // What it said last is still to be read; but who left its group may hold the other end open for ever.
      this.#stdout.resume();
      setTimeout(() => this.#stdout.destroy(), patienceMillis).unref();
      setTimeout(() => child.stderr?.destroy(), patienceMillis).unref();
    });
    child.on('close', (code, signal) => {
      const how = this.#why !== '' ? this.#why : code === 127 ? 'there is no such command' : (signal ?? `exit ${code}`);
      events.onEnd(String(how), this.#asked);
      this.#gone.resolve();
    });
  }

  #read(line: Buffer, events: ProcessEvents, aside: (chunk: Buffer) => void): void {
    if (this.#why !== '') return;
    // All others wait while it is read.
    if (hasTooManyValues(line, answerMarksMax)) return this.kill('it sent a message of more than a million values');
    const value = parsed(line.toString('utf8'));
    const messages: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (messages.length > 0 && messages.every(isObject)) for (const message of messages) events.onMessage(message);
    else if (line.length > 0) aside(Buffer.concat([line.subarray(0, 8192), Buffer.from('\n')]));
  }

  send(message: JsonObject): boolean {
    if (this.#over || this.#asked || !this.#stdin.writable || this.#stdin.writableLength > unreadBytesMax) return false;
    this.#stdin.write(`${JSON.stringify(message)}\n`);
    return true;
  }

  get paused(): boolean {
    return this.#stdout.isPaused();
  }

  pause(): void {
    this.#stdout.pause();
  }

  resume(): void {
    this.#stdout.resume();
  }

  end(): Promise<void> {
    if (this.#over || this.#asked) return this.#gone.promise;
    this.#asked = true;
    this.#stdin.end();
    // Unread output could keep it from noticing.
    this.#stdout.resume();
    const term = setTimeout(() => signalGroup(this.pid, 'SIGTERM'), patienceMillis);
    const kill = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), 2 * patienceMillis);
    void this.#gone.promise.then(() => {
      clearTimeout(term);
      clearTimeout(kill);
    });
    return this.#gone.promise;
  }

  kill(why: string): void {
    if (this.#over || this.#why !== '') return;
    this.#why = why;
    signalGroup(this.pid, 'SIGKILL');
    this.#child.kill('SIGKILL');
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody is left in it.
  }
}
