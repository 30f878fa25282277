import type { Duplex } from 'node:stream';

/** How long an upstream may go on to a client that says nothing more. Whether that client is still there is not heard any more. */
const lastWordsMillis = 30_000;

/**
 * Joins the two sockets of an upgraded connection, each at the pace of the other; a half-close passes through, an error on
 * one side ends both. Returns how to end it; `onEnd` is called once when it has ended.
 */
export function openTunnel(
  client: Duplex,
  upstream: Duplex,
  headers: readonly string[],
  onEnd: () => void,
  lastWords = lastWordsMillis,
): () => void {
  let head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  client.write(`${head}\r\n`, 'latin1');

  let open = true;
  let timer: NodeJS.Timeout | null = null;
  const end = (): void => {
    if (timer !== null) clearTimeout(timer);
    client.destroy();
    upstream.destroy();
    if (!open) return;
    open = false;
    onEnd();
  };
  // 'close' comes only when both directions of a socket have ended, or on an error.
  client.on('error', end).on('close', end);
  client.once('end', () => {
    if (open) timer = setTimeout(end, lastWords).unref();
  });
  upstream.on('error', end).on('close', () => {
    // What the upstream said last is still on its way to the client.
    if (client.writableEnded) client.once('finish', end);
    if (!client.writableEnded || client.writableFinished) end();
  });
  client.pipe(upstream);
  upstream.pipe(client);
  return end;
}
