import { appendFileSync, chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { mcpServers } from '../../../compose/build/mcp-config.ts';
import { loadConfig } from '../../../compose/load/load.ts';
import { mintKey } from '../../../crypto/key-format.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused } from '../../failure.ts';
import { keepBefore, replaceFile } from '../../replace-file.ts';
import { shellWord } from '../../../core/text/shell-word.ts';

/** Writes what a new stack starts from. Nothing that exists is overwritten without --force, which keeps a copy of it. */
export async function init(invocation: Invocation): Promise<number> {
  const { configFile, out, dryRun } = invocation;
  const folder = dirname(configFile);
  const stateFolder = join(folder, '.countersign');
  const tokenFile = join(stateFolder, 'admin_token');
  // Where there is no repository yet, the folder keeps itself out of the one that is made later.
  const ignore = inGit(folder)
    ? { file: join(folder, '.gitignore'), line: '.countersign/', has: /^\/?\.countersign\/?$/ }
    : { file: join(stateFolder, '.gitignore'), line: '*', has: /^\*$/ };
  const named = invocation.text('mcp-config');
  const mcpFile = named === null ? null : resolve(named);
  const services = mcpFile === null ? exampleServices : `mcpConfig: ${JSON.stringify(nearest(folder, mcpFile))}\n`;
  const text = template(invocation.text('name') ?? basename(folder)) + services;
  // A file that is refused when it is read is not to be named in a configuration.
  if (mcpFile !== null) loadConfig(configFile, invocation.env, { keyHolders: 'unchecked', text });
  const wantsConfig = !existsSync(configFile) || invocation.flag('force');
  const wantsToken = invocation.flag('admin-token') && !existsSync(tokenFile);
  if (!wantsConfig && !wantsToken) {
    throw refused(
      `${configFile} exists already and was left alone`,
      'Write over it with --force, or name another file with --config.',
    );
  }
  const wantsIgnore = !ignores(ignore);
  const written = [
    ...(wantsConfig ? [configFile] : []),
    ...(wantsToken ? [tokenFile] : []),
    ...(wantsIgnore ? [ignore.file] : []),
  ];
  let backup: string | null = null;
  if (!dryRun) {
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    // mkdir leaves a folder that exists as it is, and the store is to be seen by nobody else.
    chmodSync(stateFolder, 0o700);
    // Whoever may write it may open every service: never anybody but its owner, whatever the umask.
    if (wantsConfig) {
      if (existsSync(configFile)) backup = keepBefore('init', configFile);
      replaceFile(configFile, text);
    }
    if (wantsToken) writeFileSync(tokenFile, `${mintKey('ad').key}\n`, { mode: 0o600, flag: 'wx' });
    if (wantsIgnore) appendFileSync(ignore.file, ignoreEntry(ignore));
  }
  if (invocation.json) {
    out.json({ written, backup, dry_run: dryRun });
    return EXIT.done;
  }
  for (const file of written) out.line(`${dryRun ? 'would write' : 'wrote'}  ${file}`);
  if (backup !== null) out.talk(`what was there before is ${backup}`);
  if (dryRun) return EXIT.done;
  sayNext(invocation, tokenFile, mcpFile);
  return EXIT.done;
}

/** What to do now, each as it can be typed. `mcpFile`: null where services are to be written by hand. */
function sayNext(invocation: Invocation, tokenFile: string, mcpFile: string | null): void {
  const { configFile, out } = invocation;
  out.talk();
  out.talk(out.paintTalk('bold', 'Next'));
  // A configuration that was named stands behind each command by itself.
  const shown = invocation.text('config') === null ? shownConfig(configFile) : '';
  const token = existsSync(tokenFile) ? `AUTH_ADMIN_TOKEN_FILE=${shellWord(relative(process.cwd(), tokenFile))} ` : '';
  const steps: [string, string][] = [
    mcpFile === null
      ? [`put your services into ${basename(configFile)}`, `countersign validate${shown}`]
      : ['check the servers', `countersign validate${shown}`],
    ['make a key for each caller', `countersign keys create NAME${shown}`],
    ['start; nothing is refused yet', `${token}countersign serve${shown}`],
    [
      'let callers call it, with their key',
      `printf 'x-api-key: %s' "$(cat KEYFILE)" | curl -H @- http://127.0.0.1:8700/SERVICE/PATH`,
    ],
    ['see what would have been refused', `countersign report --since 1h${shown}`],
    ['when nothing is left there, enforce', `countersign mode set enforce${shown}`],
  ];
  for (const [index, [words, line]] of steps.entries()) {
    out.talk(`  ${index + 1}. ${words.padEnd(40)} ${out.paintTalk('cyan', line)}`);
  }
  if (mcpFile !== null) {
    out.talk(
      `\n${mcpFile} is the gateway's now. A client gets a file of its own, in which each server goes with the client's key (docs/mcp.md shows it) and is at:`,
    );
    for (const address of mcpServers(mcpFile).addresses) out.talk(`  http://127.0.0.1:8700${address}`);
  }
  if (token === '')
    out.talk(`\nFor the HTTP API of tokens an admin token is needed: countersign init --admin-token${shown}`);
}

function shownConfig(configFile: string): string {
  const path = relative(process.cwd(), configFile);
  return path === 'countersign.yaml' ? '' : ` --config ${shellWord(path.startsWith('..') ? configFile : path)}`;
}

/** As a person would write it: relative within the folder of the configuration. */
function nearest(folder: string, file: string): string {
  const path = relative(folder, file);
  return path === '' || path.startsWith('..') ? file : path;
}

function inGit(folder: string): boolean {
  if (existsSync(join(folder, '.git'))) return true;
  const parent = dirname(folder);
  return parent !== folder && inGit(parent);
}

interface Ignore {
  readonly file: string;
  readonly line: string;
  /** Lines that say the same. */
  readonly has: RegExp;
}

function ignores({ file, has }: Ignore): boolean {
  return (
    existsSync(file) &&
    readFileSync(file, 'utf8')
      .split(/\r?\n/)
      .some((line) => has.test(line.trim()))
  );
}

function ignoreEntry({ file, line }: Ignore): string {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

function template(name: string): string {
  return `# Countersign: who may call which service of this stack. Check it with: countersign validate

name: ${JSON.stringify(name)}
listen: 127.0.0.1:8700                  # services are reached here, under /<service>/; 0.0.0.0:8700 for callers on other machines
adminListen: 127.0.0.1:8701             # the operator's side, never on the same origin
store: sqlite:.countersign/state.db     # keys, tokens, modes and decisions; DATABASE_URL and REDIS_URL count without this line

# off: nothing is judged. report: judged and recorded, but everything passes. enforce: refused when not allowed.
# Begin with report, read \`countersign report\`, then: countersign mode set enforce
mode: report

# Keys that lie in files already, besides those of \`countersign keys create\`:
# keys:
#   - files: /run/secrets/*_api_key     # <service>_api_key, dashes as underscores: whoever has it may call that service
#   - envFiles: /etc/my-stack/*.env     # HMAC secrets, a file for each caller: SERVICE_ID=, SERVICE_KEY=

`;
}

const exampleServices = `services:
  embeddings:                           # callers say http://127.0.0.1:8700/embeddings/...
    upstream: http://127.0.0.1:8081     # where it listens; only this gateway should reach it
    routes:                             # the most specific path wins; a path without a rule asks for any proven caller
      - { path: /health, access: public }
      # - { path: /embed, methods: [POST], callers: [hybrid-coordinator] }
      # - { path: /internal/*, access: service }
`;
