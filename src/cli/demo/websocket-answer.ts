import { WebSocket } from 'undici';
import type { Answer } from './answers.ts';

/** A WebSocket at /browser-service/session. */
export interface OpenSocket {
  /** Has the page opened that the browser service pretends to have. */
  go(url: string): Promise<string>;
  /** Resolves when the other side closed it. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Null when the handshake was refused. */
export function openSocket(gateway: string, headers: Readonly<Record<string, string>>): Promise<OpenSocket | null> {
  const socket = new WebSocket(`${gateway.replace('http', 'ws')}/browser-service/session`, { headers });
  const closed = new Promise<void>((resolve) => socket.addEventListener('close', () => resolve(), { once: true }));
  return new Promise((resolve) => {
    socket.addEventListener('error', () => resolve(null), { once: true });
    socket.addEventListener(
      'open',
      () =>
        resolve({
          go: (url) =>
            new Promise((answered) => {
              socket.addEventListener('message', ({ data }) => answered(String(data)), { once: true });
              socket.send(JSON.stringify({ go: url }));
            }),
          closed,
          close: () => socket.close(),
        }),
      { once: true },
    );
  });
}

export async function askBrowser(gateway: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const socket = await openSocket(gateway, headers);
  if (socket === null) return 'refused at the handshake';
  const page = await socket.go('https://example.org/');
  socket.close();
  await socket.closed;
  return page.includes('example.org') ? 'opens, answers' : `opens, but ${page}`;
}
