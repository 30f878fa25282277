import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { columns, terminalOutput } from './output.ts';

// A control of eight bits, two that turn the direction of writing, and one of seven bits.
const evil = '\u009b31mred\u202edetrevni\u061c\u001b[0m';
// oxlint-disable-next-line no-control-regex
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

test('a name that a stranger chose is shown by a terminal and never obeyed, in JSON and in columns', () => {
  const stdout = new PassThrough();
  const out = terminalOutput(stdout as never, new PassThrough() as never);
  out.json({ [evil]: [evil] });
  for (const line of columns(['NAME'], [[evil], [{ text: evil, style: 'red' }]], out)) out.line(line);
  const written = String(stdout.read());
  assert.doesNotMatch(written, obeyed);
  assert.deepEqual(JSON.parse(written.slice(0, written.indexOf('NAME'))), { [evil]: [evil] });
});

test('a table is as wide as the terminal, also after its window has changed, and whole in a pipe', () => {
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 30 });
  const out = terminalOutput(stdout as never, new PassThrough() as never);
  const table = (): string[] => {
    const plain = { paint: (_: unknown, text: string) => text, width: out.width };
    return columns(['ID', 'WHO'], [['4IIPBFi7Cr', 'hybrid-coordinator']], plain, '  ');
  };
  assert.deepEqual(table(), ['  ID', '      WHO', '  4IIPBFi7Cr', '      hybrid-coordinator']);
  stdout.columns = 80;
  const whole = ['  ID          WHO', '  4IIPBFi7Cr  hybrid-coordinator'];
  assert.deepEqual(table(), whole);
  // A terminal that does not know how wide it is.
  stdout.columns = 0;
  assert.deepEqual(table(), whole);
  Object.assign(stdout, { isTTY: false, columns: 30 });
  assert.deepEqual(table(), whole);
});
