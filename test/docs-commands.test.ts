/** What the documents tell to type is a command with options that it has, and what they tell to write is a configuration. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nameCommand, readArguments } from '../src/cli/arguments.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { parseConfig } from '../src/compose/load/load.ts';
import { jsonSchema } from '../src/compose/schema/schema.ts';

const root = join(import.meta.dirname, '..');
const documents = ['README.md', 'docs/*.md', 'examples/**/README.md', 'deploy/**/README.md']
  .flatMap((pattern) => globSync(pattern, { cwd: root }))
  .map((name) => ({ name, text: readFileSync(join(root, name), 'utf8') }));

function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^ *\`\`\`${language}\n([^]*?)^ *\`\`\``, 'gm'))].map(([, block = '']) => block);
}

/** The words behind `countersign` wherever a shell would take it for the command; no more of the shell's grammar than is used. */
function commandsIn(block: string): string[][] {
  const start = /(?:^|[(|;] ?|&& |-- |sudo -u \S+ )(?:[A-Z_]+=\S+ )*(?:\.\/bin\/)?countersign (.*)$/;
  return block
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => line.split(/(?= \| |&& )/))
    .flatMap((line) => start.exec(line.trim())?.[1] ?? [])
    .map((rest) => rest.match(/'[^']*'|"[^"]*"|[^\s'"]+/g) ?? [])
    .map((words) => words.slice(0, [...words.entries()].find(([, word]) => /^(?:[<>|&;#]|2>)/.test(word))?.[0]))
    .map((words) => words.map((word) => word.replace(/^(['"])(.*)\1$/, '$2').replace(/[);]+$/, '')));
}

const around = { cwd: '/', env: {}, out: undefined as never, stdin: undefined as never };

test('every command in a block of a document is one, with arguments that it takes', () => {
  const wrong: string[] = [];
  let count = 0;
  for (const { name, text } of documents)
    for (const words of blocks(text, 'sh').flatMap(commandsIn)) {
      count += 1;
      try {
        const { command, rest } = nameCommand(words, COMMANDS);
        if (command) readArguments(command, rest, around);
        else assert.ok(rest.length > 0, 'names no command');
      } catch (error) {
        wrong.push(`${name}: countersign ${words.join(' ')}: ${String(error)}`);
      }
    }
  assert.deepEqual(wrong, []);
  assert.ok(count > 200, `found only ${count}`);
});

test('no command in a document puts a secret among the arguments of a program, which every user of the machine sees', () => {
  const harmless = /\$\{?(?:PWD|BASE|ADMIN_BASE|ADMIN)\b/g;
  const shown: string[] = [];
  let count = 0;
  for (const { name, text } of documents)
    for (const line of blocks(text, 'sh').flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))) {
      // printf is built into the shell: its words are arguments of nobody.
      const words = line.split(/ \| |&& /).filter((part) => /(?:^|\s)curl /.test(part));
      count += words.length;
      if (words.some((part) => part.replaceAll(harmless, '').includes('$')) || /^ADMIN=(?!@)/.test(line))
        shown.push(`${name}: ${line}`);
    }
  assert.deepEqual(shown, []);
  assert.ok(count > 10, `found only ${count}`);
});

test('every configuration in a document can be read', () => {
  const keys = new Set(Object.keys((jsonSchema() as { properties: object }).properties));
  // A plan of a ramp is called as a stack may be, and a file of MCP servers would have to be there.
  const isOther = (block: string): boolean => /^(?:steps|mcpConfig):/m.test(block);
  const faults: string[] = [];
  let count = 0;
  for (const { name, text } of documents)
    for (const block of blocks(text, 'yaml')) {
      const known = [...block.matchAll(/^([A-Za-z]+):/gm)].some(([, key = '']) => keys.has(key));
      if (!known || isOther(block)) continue;
      count += 1;
      const whole = /^services:/m.test(block)
        ? block
        : `${block}\nservices: { web: { upstream: http://127.0.0.1:1 } }\n`;
      try {
        parseConfig(whole, { file: null, env: {}, keyHolders: 'unchecked', namedFiles: 'unneeded' });
      } catch (error) {
        faults.push(`${name}: ${block}: ${String(error)}`);
      }
    }
  assert.deepEqual(faults, []);
  assert.ok(count > 20, `found only ${count}`);
});
