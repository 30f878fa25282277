import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { tableLines } from './table.ts';

const rows = [
  ['ID', 'SERVICE', 'CREATED', 'STATE', 'LAST USED'],
  ['4IIPBFi7Cr', 'hybrid-coordinator', '2026-11-28T01:01:00Z', 'current', '10 s ago by hybrid-coordinator'],
  ['Ezy9yWux91', 'aidb', '2026-11-28T01:01:01Z', 'current', ''],
];

test('without a width each row is one line, and no line ends in blanks', () => {
  assert.deepEqual(tableLines(rows, null), [
    'ID          SERVICE             CREATED               STATE    LAST USED',
    '4IIPBFi7Cr  hybrid-coordinator  2026-11-28T01:01:00Z  current  10 s ago by hybrid-coordinator',
    'Ezy9yWux91  aidb                2026-11-28T01:01:01Z  current',
  ]);
});

test('a row that is wider than the terminal goes on below, alike in every row and with each cell whole', () => {
  assert.deepEqual(tableLines(rows, 60), [
    'ID          SERVICE             CREATED',
    '    STATE    LAST USED',
    '4IIPBFi7Cr  hybrid-coordinator  2026-11-28T01:01:00Z',
    '    current  10 s ago by hybrid-coordinator',
    'Ezy9yWux91  aidb                2026-11-28T01:01:01Z',
    '    current',
  ]);
  assert.deepEqual(tableLines(rows, 100), tableLines(rows, null));
});

test('a cell that is wider than the terminal is broken between its words', () => {
  assert.deepEqual(
    tableLines(
      [
        ['STEP', 'ROUTES'],
        ['1', '/a/one, /b/two, /c/three'],
        ['2', '/d'],
      ],
      20,
    ),
    ['STEP', '    ROUTES', '1', '    /a/one, /b/two,', '    /c/three', '2', '    /d'],
  );
});

test('nothing that stands in a cell is lost, and no line is too long without need', () => {
  const cell = fc.array(fc.stringMatching(/^[a-z0-9/:-]{1,16}$/), { maxLength: 5 }).map((words) => words.join(' '));
  const table = fc
    .integer({ min: 1, max: 7 })
    .chain((columns) =>
      fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 6 }),
    );
  fc.assert(
    fc.property(table, fc.integer({ min: 20, max: 120 }), (cells, width) => {
      const lines = tableLines(cells, width);
      const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
      assert.deepEqual(words(lines.join(' ')).sort(), words(cells.flat().join(' ')).sort());
      assert.ok(lines.every((line) => line.length <= width));
    }),
  );
});
