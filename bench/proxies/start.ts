import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Announcement } from './child.ts';
import { freePort } from '../../test/fixtures/free-port.ts';

/** A proxy, or what stands behind it, in a process of its own. */
export interface Started {
  readonly url: string;
  readonly key: string | null;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

export async function start(
  script: string,
  args: readonly string[],
  execArgv: readonly string[] = [],
): Promise<Started> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = fork(file, args, { execArgv: [...execArgv], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [{ port, key }] = (await Promise.race([once(child, 'message'), failed(child, script)])) as [Announcement];
  return { url: `http://127.0.0.1:${port}`, key, child, stop: () => stop(child) };
}

/** Our gateway, with the memory for young objects that the command gives it. */
export function startGateway(
  upstream: string,
  folder: string,
  variant: 'plain' | 'full' | 'bare' | 'silent',
  execArgv: readonly string[] = [],
): Promise<Started> {
  return start('gateway.ts', [upstream, folder, variant], ['--max-semi-space-size=16', ...execArgv]);
}

/** nginx with keep-alive to its upstream, one worker; null where it is not installed. */
export async function startNginx(upstream: string, folder: string): Promise<Started | null> {
  const binary = await installed(['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/bin/nginx']);
  if (binary === null) return null;
  const port = await freePort();
  const prefix = `${folder}/nginx`;
  await mkdir(prefix, { recursive: true });
  await writeFile(`${prefix}/nginx.conf`, nginxConfig(port, new URL(upstream).host, prefix));
  const child = spawn(binary, ['-e', `${prefix}/error.log`, '-p', prefix, '-c', `${prefix}/nginx.conf`], {
    stdio: 'ignore',
  });
  await Promise.race([reachable(port), failed(child, 'nginx')]);
  return { url: `http://127.0.0.1:${port}`, key: null, child, stop: () => stop(child) };
}

function nginxConfig(port: number, upstream: string, prefix: string): string {
  return `daemon off; worker_processes 1; pid ${prefix}/nginx.pid; error_log ${prefix}/error.log crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000;
  client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fastcgi;
  uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
  upstream behind { server ${upstream}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}

async function installed(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return null;
}

async function reachable(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const socket = connect(port, '127.0.0.1');
    const answered = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing answers on port ${port}`);
}

async function failed(child: ChildProcess, name: string): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`${name} ended with ${code} before it was ready`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
