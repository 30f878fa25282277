import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { optionsOf } from './command.ts';
import { COMMANDS } from './commands.ts';
import { optionWords, usageLine } from './help.ts';
import type { Output } from './output.ts';
import { run } from './run.ts';

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** In this process: what is shown without any work being done. */
async function say(...args: string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const output: Output = {
    line: (text = '') => void (out += `${text}\n`),
    advice: (text) => void (out += `${text}\n`),
    json: (value) => void (out += JSON.stringify(value)),
    talk: (text = '') => void (err += `${text}\n`),
    warn: (text) => void (err += `${text}\n`),
    paint: (_style, text) => text,
    width: null,
    paintTalk: (_style, text) => text,
    gone: false,
    fault: null,
  };
  const stdin = { isTerminal: false, read: async () => '' };
  const code = await run(args, { cwd: '/nonexistent', env: {}, out: output, stdin });
  return { code, out, err };
}

for (const command of COMMANDS) {
  test(`${command.name} --help says what it does, every option and an example`, async () => {
    const { code, out } = await say(...command.name.split(' '), '--help');
    assert.equal(code, 0);
    assert.ok(out.includes(usageLine(command)));
    for (const [name, option] of Object.entries(optionsOf(command))) {
      assert.ok(out.includes(optionWords(name, option)), name);
    }
    assert.ok(command.examples.length > 0);
    for (const example of command.examples) assert.ok(out.includes(example), example);
    for (const example of command.examples) assert.ok(example.includes(`countersign ${command.name}`), example);
    for (const line of out.split('\n')) assert.ok(line.length <= 120, line);
  });
}

test('every command can be loaded', async () => {
  for (const command of COMMANDS) assert.equal(typeof (await command.load()), 'function', command.name);
});

test('without arguments, with help and with --help the overview names every command', async () => {
  for (const args of [[], ['help'], ['--help']]) {
    const { code, out } = await say(...args);
    assert.equal(code, 0);
    for (const { name } of COMMANDS) assert.ok(out.includes(`\n  ${name} `), name);
  }
});

test('a group without a command shows its commands and is a usage error', async () => {
  const { code, out, err } = await say('keys');
  assert.equal(code, 2);
  assert.equal(out, '');
  assert.match(err, /keys create/);
  assert.doesNotMatch(err, /tokens create/);
  assert.equal((await say('keys', '--help')).code, 0);
});

const slips: readonly [args: string[], meant: RegExp][] = [
  [['vlidate'], /there is no command "vlidate"\n {2}Did you mean "validate"\?/],
  [['keys', 'craete'], /Did you mean "keys create"\?/],
  [['revoke'], /no command "revoke"\n {2}There are: keys revoke, tokens revoke, clients revoke, ca revoke\./],
  [['status', '--json'], /"status" has no option --json\n {2}Write --output json\./],
  [['mode', 'enforce'], /"mode" has no command "enforce"\n {2}There are: get, set, reset\./],
  [['validate', '--cofig', 'x'], /"validate" has no option --cofig\n {2}Did you mean --config\?/],
  [['validate', '-x'], /has no option -x\n {2}See: countersign validate --help/],
  [['validate', 'more'], /"validate" takes no arguments; given: 1\n/],
  [['keys', 'create', 'a', 'b'], /"keys create" takes no arguments but SERVICE; given: 2\n/],
  [
    ['keys', 'create', 'a', '--scope', 'embed:write admin'],
    /--scope: a scope is 1 to 128 .*without spaces.*\n {2}Several/,
  ],
  [['keys', 'create', 'a', '--scope', 'x\r\nX-Auth-Mode: off'], /--scope: a scope is/],
  [['tokens', 'create', '--scope', 'embed:write admin'], /--scope: a scope is/],
  [['tokens', 'create', '--client', 'night job'], /--client is 1 to 128/],
  [['-v'], /there is no option -v\n {2}See: countersign --help/],
  [['keys', '--al'], /there is no option --al\n/],
  [['keys', 'create'], /"keys create" needs SERVICE/],
  [['validate', '--config'], /--config needs a value: --config FILE/],
  [['serve', '--config', '--allow-unauthenticated'], /--config needs a value/],
  [['validate', '--output', 'yaml'], /--output is text or json, not "yaml"/],
  [['serve', '--allow-unauthenticated=yes'], /--allow-unauthenticated takes no value/],
  [['validate', '-c', 'a', '-c', 'b'], /-c is given twice/],
  [['keys', 'create', 'a:b'], /a service id is 1 to 128 characters/],
  [['keys', 'create', 'aidb', '--kind', 'rsa'], /--kind is sk, hs or ed25519/],
  [['keys', 'import', 'aidb'], /--kind is needed/],
  [['keys', 'create', 'aidb', '--expires', '90'], /"90" is not\n {2}Units: s, m, h, d, w/],
  [['keys', 'create', 'aidb', '--expires', '0d'], /--expires is a number and a unit/],
  [['keys', 'create', 'aidb', '--allowed-ip', '10.0.0.0/33'], /prefix length from 0 to 32/],
  [['mode', 'set', 'enfroce'], /the mode is off, report, enforce/],
  [['mode', 'set', 'report', 'embeddings', '--all'], /--all means everything/],
  [['audit', 'tail', '--outcome', 'denied'], /--outcome is allow, deny, would_deny, public/],
  [['audit', 'tail', '-n', 'many'], /--lines is a number from 1/],
  [['sign', 'GET', 'ftp://x/'], /URL is a whole http:\/\/ or https:\/\/ URL/],
  [['sign', 'GET', '/x'], /--service is needed/],
];
for (const [args, meant] of slips) {
  test(`a slip is answered with what to write: ${args.join(' ')}`, async () => {
    const { code, out, err } = await say(...args);
    assert.match(err, meant);
    assert.equal(code, 2);
    assert.equal(out, '');
  });
}

test('options of all commands may stand before the command', async () => {
  const { code, err } = await say('--config', '/nonexistent/a.yaml', '--output=json', 'validate');
  assert.equal(code, 1);
  assert.match(
    err,
    /there is no configuration at \/nonexistent\/a\.yaml\n {2}Write one with `countersign init --config \S*a\.yaml`/,
  );
});

const whole = `cs_sk_${'a'.repeat(10)}_${'b'.repeat(49)}`;
for (const args of [
  ['keys', 'revoke', whole],
  ['keys', 'import', 'aidb', '--kind', 'sk', whole],
  ['keys', 'create', 'aidb', `--scope=${whole}`],
]) {
  test(`a whole key among the arguments is refused and not repeated: ${args.slice(0, 2).join(' ')}`, async () => {
    const { code, out, err } = await say(...args);
    assert.equal(code, 2);
    assert.match(err, /the process list and the shell history show it/);
    assert.doesNotMatch(out + err, /bbbb/);
  });
}

for (const option of ['--key', '--secret', '--token', '--password']) {
  test(`${option} is no option: secrets come from standard input or files`, async () => {
    const { code, err } = await say('keys', 'import', 'aidb', '--kind', 'hs', option, 'opensesame');
    assert.equal(code, 2);
    assert.match(err, /shows in the process list.*\n {2}Give it on standard input/);
    assert.doesNotMatch(err, /opensesame/);
  });
}

test('what is one argument too many is not repeated, since it may be a secret', async () => {
  const { code, err } = await say('keys', 'import', 'aidb', 'opensesame', '--kind', 'hs');
  assert.equal(code, 2);
  assert.doesNotMatch(err, /opensesame/);
});

test('docs/cli.md has every command with its usage, options and examples, and no other', () => {
  const text = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const sections = new Map(
    text
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')).replaceAll('`', ''), section]),
  );
  assert.deepEqual(
    [...sections.keys()],
    COMMANDS.map(({ name }) => name),
  );
  for (const command of COMMANDS) {
    const section = sections.get(command.name) ?? '';
    assert.ok(section.includes(usageLine(command)), `usage of ${command.name}`);
    const own = Object.entries(command.options).map(([name, option]) => optionWords(name, option));
    for (const words of [...own, ...(command.changes ? ['--dry-run'] : [])]) {
      assert.ok(section.includes(`\`${words}\``), `${command.name}: ${words}`);
    }
    const mentioned = [...section.matchAll(/`(?:-\w, )?--([a-z-]+)/g)].map(([, name = '']) => name);
    for (const name of mentioned)
      assert.ok(Object.hasOwn(optionsOf(command), name), `${command.name} has no --${name}`);
    for (const example of command.examples) assert.ok(section.includes(example), example);
  }
});
