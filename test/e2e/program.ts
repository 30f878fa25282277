/** Runs the real program as its users do: a configuration in a folder of its own, `bin/countersign`, and HTTP. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { Ending } from '../fixtures/databases.ts';
import { freePort } from '../fixtures/free-port.ts';

const binary = join(import.meta.dirname, '../../bin/countersign');

export interface Program {
  readonly origin: string;
  readonly port: number;
  readonly adminPort: number;
  readonly folder: string;
  /** What it and its commands are given. */
  readonly env: Readonly<Record<string, string>>;
  readonly process: ChildProcess;
  /** What the server printed so far. */
  stdout(): string;
  stderr(): string;
  cli(args: readonly string[], stdin?: string): Promise<CliResult>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** The configuration below `listen`, `adminListen` and `store`, which are filled in. */
  readonly yaml: string;
  readonly env?: Record<string, string>;
  readonly store?: string;
  readonly files?: Record<string, string>;
  readonly args?: readonly string[];
  /** Where its standard output is appended, in place of being kept for `stdout()`. */
  readonly log?: string;
}

export async function startProgram(t: Ending, options: ProgramOptions): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-e2e-'));
  const [port, adminPort] = [await freePort(), await freePort()];
  const config = join(folder, 'countersign.yaml');
  const store = options.store ?? 'sqlite:state.db';
  writeFileSync(
    config,
    `listen: 127.0.0.1:${port}\nadminListen: 127.0.0.1:${adminPort}\nstore: ${store}\n${options.yaml}`,
  );
  for (const [name, text] of Object.entries(options.files ?? {}))
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  const env = { ...cleanEnvironment(), ...options.env };
  const log = options.log === undefined ? 'pipe' : openSync(options.log, 'a');
  const child = spawn(binary, ['serve', '--config', config, ...(options.args ?? [])], {
    cwd: folder,
    env,
    stdio: ['pipe', log, 'pipe'],
  });
  if (typeof log === 'number') closeSync(log);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      // Which does not wait for more on the connections that the test leaves open.
      child.kill('SIGINT');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });
  const origin = `http://127.0.0.1:${port}`;
  await ready(origin, child, () => stderr);
  return {
    origin,
    port,
    adminPort,
    folder,
    env,
    process: child,
    stdout: () => stdout,
    stderr: () => stderr,
    cli: (args, stdin = '') => runCli([...args, '--config', config], { cwd: folder, env, stdin }),
  };
}

async function ready(origin: string, child: ChildProcess, stderr: () => string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`serve ended with ${child.exitCode}:\n${stderr()}`);
    const answer = await fetch(`${origin}/health/ready`).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function runCli(
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string>; stdin?: string },
): Promise<CliResult> {
  const child = spawn(binary, args, { cwd: options.cwd, env: options.env ?? cleanEnvironment() });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined).end(options.stdin ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The tester's own settings must not leak into what is tested. */
export function cleanEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG'];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

export interface Upstream {
  readonly port: number;
  readonly url: string;
  readonly requests: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
}

/** A service without any authentication, which remembers what reached it. */
export async function startUpstream(t: Ending): Promise<Upstream> {
  const requests: Upstream['requests'] = [];
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ upstream: true, url: request.url }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}`, requests };
}

export interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

/** Sends bytes as they are and reads until the server closes or has answered once; status 0 when it closed without a word. */
export async function sendRaw(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const closed = new Promise<void>((resolve) => {
    const finish = (): void => {
      socket.destroy();
      resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (complete(Buffer.concat(chunks).toString('latin1'))) finish();
    });
    socket.on('error', finish).on('close', finish).on('end', finish);
  });
  socket.write(bytes);
  await closed;
  const text = Buffer.concat(chunks).toString('latin1');
  return { status: Number(/^HTTP\/1\.[01] ([0-9]{3})/.exec(text)?.[1] ?? 0), text };
}

function complete(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  const length = /\r\ncontent-length: ([0-9]+)/i.exec(text.slice(0, end + 2))?.[1];
  return length !== undefined && text.length >= end + 4 + Number(length);
}
