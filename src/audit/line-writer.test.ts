import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { lineWriter } from './line-writer.ts';

function reading(stream: PassThrough): string[] {
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  return chunks;
}

test('lines are joined into few writes and arrive whole and in order', async () => {
  const stream = new PassThrough();
  const chunks = reading(stream);
  const writer = lineWriter(stream);
  for (let index = 0; index < 100; index += 1) writer.line(`{"line":${index}}`);
  assert.equal(chunks.length, 0);
  await writer.close();
  assert.equal(chunks.length, 1);
  assert.deepEqual(
    chunks.join('').split('\n').slice(0, -1),
    Array.from({ length: 100 }, (_, index) => `{"line":${index}}`),
  );
});

test('a lot of lines is passed on before the time is up', async () => {
  const stream = new PassThrough({ highWaterMark: 1 << 24 });
  const writer = lineWriter(stream);
  for (let index = 0; index < 1000; index += 1) writer.line('x'.repeat(200));
  assert.ok(stream.readableLength + stream.writableLength >= 3 * 64 * 1024);
  stream.resume();
  await writer.close();
});

test('a reader that is too slow loses lines, and is told how many', async () => {
  const stream = new PassThrough({ highWaterMark: 1 });
  const writer = lineWriter(stream, { waitingBytesMax: 1000 });
  // Nobody reads yet: what is passed on stays waiting.
  const first = writer.flush();
  writer.line('x'.repeat(70_000));
  for (let index = 0; index < 7; index += 1) writer.line('lost');
  assert.equal(writer.dropped, 7);
  const chunks = reading(stream);
  await first;
  await writer.flush();
  writer.line('kept');
  await writer.close();
  assert.match(chunks.join(''), /\n\{"level":"warn","event":"audit.lines_dropped","count":7\}\nkept\n$/);
});

test('a reader that went away does not end the process', async () => {
  const stream = new PassThrough();
  const writer = lineWriter(stream);
  stream.destroy(new Error('EPIPE'));
  await new Promise((resolve) => stream.once('close', resolve));
  writer.line('lost');
  await writer.close();
  assert.equal(writer.dropped, 1);
});

test('where there is no room for lines they are counted, and once there is the log goes on, on a line of its own', async () => {
  const kept: string[] = [];
  let room = false;
  const stream = new Writable({
    autoDestroy: false,
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      if (room) kept.push(chunk);
      else kept.push(chunk.slice(0, 3));
      done(room ? null : Object.assign(new Error('no room'), { code: 'ENOSPC' }));
    },
  });
  const writer = lineWriter(stream);
  writer.line('first');
  writer.line('second');
  await writer.flush();
  assert.equal(writer.dropped, 2);
  room = true;
  // As process.stdout does after a fault.
  Reflect.apply(Reflect.get(stream, '_undestroy'), stream, []);
  writer.line('third');
  await writer.close();
  assert.equal(kept.join(''), 'fir\n{"level":"warn","event":"audit.lines_dropped","count":2}\nthird\n');
});
