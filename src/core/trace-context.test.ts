import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traceIdIn } from './trace-context.ts';

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = '00f067aa0ba902b7';
const asked = (...lines: string[]) => traceIdIn({ fields: (name) => (name === 'traceparent' ? lines : []) });

test('the trace that a caller names is read, of later versions too', () => {
  assert.equal(asked(`00-${trace}-${parent}-01`), trace);
  assert.equal(asked(`00-${trace}-${parent}-00`), trace);
  assert.equal(asked(`cc-${trace}-${parent}-01-what-the-future-brings`), trace);
});

test('what is malformed counts as none', () => {
  const malformed = [
    '',
    `00-${trace}-${parent}`,
    `00-${trace}-${parent}-01-more`,
    `ff-${trace}-${parent}-01`,
    `00-${trace.toUpperCase()}-${parent}-01`,
    `00-${'0'.repeat(32)}-${parent}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace}-${parent}-1`,
    `00-${trace}-${parent}-01 `,
    `cc-${trace}-${parent}-01more`,
  ];
  for (const line of malformed) assert.equal(asked(line), null, line);
  assert.equal(asked(), null);
  assert.equal(asked(`00-${trace}-${parent}-01`, `00-${trace}-${parent}-01`), null, 'two of them');
});
