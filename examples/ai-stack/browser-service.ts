/**
 * Drives a pretended browser over a WebSocket at /session: send {"go": "https://…"}, get {"at": …, "title": …}. Written on
 * bare node:http, so that the example needs nothing installed; a real service would use a library such as ws.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { sendJson, startService } from './service.ts';

// RFC 6455 §1.3: the constant that proves that the server understood the handshake.
const handshakeConstant = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcodes = { text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;

const server = startService('browser-service', 8094, {
  'GET /tabs': (_request, response) => sendJson(response, 200, { open: sockets.size }),
});

const sockets = new Set<Duplex>();

server.on('upgrade', (request, socket: Duplex) => {
  socket.on('error', () => socket.destroy());
  const key = request.headers['sec-websocket-key'];
  if (request.url?.split('?')[0] !== '/session' || typeof key !== 'string') {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  const accept = createHash('sha1')
    .update(key + handshakeConstant)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
  let buffered: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk]);
    for (let frame = readFrame(buffered); frame; frame = readFrame(buffered)) {
      buffered = buffered.subarray(frame.size);
      if (frame.opcode === opcodes.text) socket.write(writeFrame(opcodes.text, answer(frame.payload)));
      if (frame.opcode === opcodes.ping) socket.write(writeFrame(opcodes.pong, frame.payload));
      if (frame.opcode === opcodes.close) socket.end(writeFrame(opcodes.close, frame.payload));
    }
  });
});

function answer(message: Buffer): Buffer {
  try {
    const { go } = JSON.parse(message.toString('utf8')) as { go?: unknown };
    const url = new URL(String(go));
    return Buffer.from(JSON.stringify({ at: url.href, title: `The page of ${url.host}` }));
  } catch {
    return Buffer.from(JSON.stringify({ error: 'send {"go": "https://…"}' }));
  }
}

/** One whole client frame (RFC 6455 §5.2), or null while it is not all there. Messages here are short: no fragments. */
function readFrame(bytes: Buffer): { opcode: number; payload: Buffer; size: number } | null {
  if (bytes.length < 2) return null;
  const short = bytes.readUInt8(1) & 0x7f;
  if (short === 127) throw new RangeError('the message is too long');
  const head = short === 126 ? 4 : 2;
  if (bytes.length < head) return null;
  const length = short === 126 ? bytes.readUInt16BE(2) : short;
  const size = head + 4 + length;
  if (bytes.length < size) return null;
  const mask = bytes.subarray(head, head + 4);
  const payload = Buffer.from(bytes.subarray(head + 4, size).map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  return { opcode: bytes.readUInt8(0) & 0x0f, payload, size };
}

function writeFrame(opcode: number, payload: Buffer): Buffer {
  const head =
    payload.length < 126
      ? Buffer.from([0x80 | opcode, payload.length])
      : Buffer.from([0x80 | opcode, 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, payload]);
}
