import { basename, dirname } from 'node:path';
import { mintedKind, wellFormed } from '../../crypto/key-format.ts';
import { repair, type Edit, type Finding, type Repair } from './finding.ts';
import {
  isGuessable,
  isIssuedElsewhere,
  passwordInUrl,
  secretInHeader,
  secretInQuery,
  settingSecret,
} from './secret-words.ts';
import { documentsOf, isEncrypted, lineWith, settingsOf, type Setting } from './settings.ts';
import { isEnvFile, isPipeline, isSettingsFile, isTemplate, type StackFile } from './stack-files.ts';
import { shellWord } from '../../core/text/shell-word.ts';

/** A secret in the clear, and where. The value stays within the doctor: it is looked for in git's history. */
export interface SecretSeen {
  readonly file: string;
  readonly line: number;
  readonly value: string;
  readonly guessable: boolean;
  /** Where it belongs, as long as git does not have it. */
  readonly kept: boolean;
}

export interface SettingsChecked {
  readonly findings: readonly Finding[];
  readonly secrets: readonly SecretSeen[];
}

/** How the program that reads the file takes a secret from elsewhere. */
type Form = 'compose' | 'env' | 'grafana' | 'other';

/** Passwords and keys in the files of a stack, by the names of settings. */
export function checkSettings(files: readonly StackFile[]): SettingsChecked {
  const findings: Finding[] = [];
  const secrets: SecretSeen[] = [];
  /** The name in the bundle of each secret, by the name that it would have and its value. */
  const bundled = new Map<string, string>();
  for (const file of files) {
    if (!isSettingsFile(file.path) || isTemplate(file.path)) continue;
    const form = formOf(file);
    const settings = settingsOf(file);
    const caller = form === 'env' ? (settings.find(({ name }) => name === 'SERVICE_ID')?.value ?? null) : null;
    for (const setting of settings) {
      const secret = secretOf(setting, form);
      if (secret === null) continue;
      const guessable = isGuessable(secret.value);
      if (guessable && isPipeline(file.path)) continue;
      const keyOf = setting.name === 'SERVICE_KEY' && !guessable ? caller : null;
      const kept = keyOf === null ? isKeptByClient(file, setting, secret) : (file.mode & 0o077) === 0;
      secrets.push({ file: file.path, line: setting.line, value: secret.value, guessable, kept });
      if (kept) continue;
      const own = keyOf === null ? ownName(secret, file, setting, bundled) : secret;
      const found = findingOf(file, setting, own, guessable, form);
      findings.push(keyOf === null ? found : { ...found, repair: repairOfKey(file, keyOf) });
    }
    findings.push(...clearManifests(file));
  }
  return { findings, secrets };
}

/** Two secrets under one name of the bundle would end as one: the later is named for where it stands, too. */
function ownName(secret: Secret, { path }: StackFile, { within }: Setting, bundled: Map<string, string>): Secret {
  const same = `${secret.name}\n${secret.value}`;
  const taken = new Set(bundled.values());
  const service = within[0] === 'services' ? within[1] : undefined;
  const places = [service, basename(dirname(path)), basename(path).replace(/\.[^.]*$/, '')]
    .map((place) =>
      (place ?? '')
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, '_')
        .replace(/^_+|_+$/g, ''),
    )
    .filter((place) => /^[a-z]/.test(place));
  let name =
    bundled.get(same) ??
    [secret.name, ...places.map((place) => `${place}_${secret.name}`)].find((one) => !taken.has(one));
  for (let number = 2; name === undefined; number += 1)
    if (!taken.has(`${secret.name}_${number}`)) name = `${secret.name}_${number}`;
  bundled.set(same, name);
  return name === secret.name ? secret : { ...secret, name, renamed: true };
}

interface Secret {
  readonly value: string;
  /** Under which it goes into the bundle: postgres_password. */
  readonly name: string;
  /** The value is only a part of the setting: the password in a URL. */
  readonly partial: boolean;
  /** Another has the name that it would have, so the program's variable is called otherwise. */
  readonly renamed?: boolean;
}

function secretOf(setting: Setting, form: Form): Secret | null {
  const url = passwordInUrl(setting.value);
  if (url) {
    const name = /^(?:postgres|postgresql|redis|rediss|mysql|mongodb)/.test(url.scheme)
      ? `${url.scheme.replace(/^postgresql$/, 'postgres').replace('rediss', 'redis')}_password`
      : `${bundleName(setting, form)}_password`;
    return { value: url.password, name, partial: true };
  }
  if (setting.within.some((name) => /^examples?$/i.test(name))) return null;
  const given = argumentOf(setting);
  if (given !== null)
    return { value: given.value, name: bundleName({ ...setting, name: given.name }, form), partial: true };
  const shown = headerOf(setting) ?? queryOf(setting);
  if (shown !== null) return { ...shown, partial: true };
  const value = settingSecret(setting.name, setting.value);
  return value === null ? null : { value, name: bundleName(setting, form), partial: false };
}

/** `headers: { Authorization: Bearer … }` of an MCP client's server, and `--header "Authorization: Bearer …"` of what bridges to one. */
function headerOf({ name, value, within }: Setting): { value: string; name: string } | null {
  const [, header = name, text = value] = /^header$/i.test(name) ? (/^([\w-]+):\s*(.*)$/s.exec(value) ?? []) : [];
  if (header === name && !/^(?:proxy-)?authorization$/i.test(name)) return null;
  const secret = secretInHeader(header, text);
  return secret === null ? null : { value: secret, name: keyName(within, 'authorization') };
}

function queryOf({ name, value, within }: Setting): { value: string; name: string } | null {
  const secret = secretInQuery(value);
  return secret === null ? null : { value: secret, name: keyName(within, name) };
}

function keyName(within: readonly string[], otherwise: string): string {
  // Named for the server that takes it: what encloses headers, or the list of arguments.
  const owner = within.findLast((word) => !/^(?:headers?|args|requestInit|env)$/i.test(word)) ?? otherwise;
  return `${owner}_key`.toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

/** A secret among the arguments of a command that stands there in one piece: `redis-server --requirepass …`. */
function argumentOf({ name, value }: Setting): { name: string; value: string } | null {
  if (!/^(?:command|entrypoint|args)$/i.test(name)) return null;
  for (const match of value.matchAll(/(?:^|\s)--([a-z][\w-]*)[ =]+(?:"([^"]+)"|'([^']+)'|(\S+))/g)) {
    const [, option = '', ...forms] = match;
    const secret = settingSecret(option, forms.find((form) => form !== undefined) ?? '');
    if (secret !== null) return { name: option === 'requirepass' ? 'redis_password' : option, value: secret };
  }
  return null;
}

/** A bare API_KEY says nothing about whose it is, so the service's name goes before it. */
function bundleName({ name, within }: Setting, form: Form): string {
  const own = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2');
  const bare = /^(?:password|passwd|pass|secret|token|api_?key|key|secret_?key|requirepass)$/i.test(own);
  if (form === 'grafana') return `grafana_${own}`.toLowerCase();
  const owner = form === 'compose' && within[0] === 'services' ? within[1] : undefined;
  return (bare && owner !== undefined ? `${owner}_${own}` : own).toLowerCase().replace(/[^a-z0-9]+/g, '_');
}

function formOf(file: StackFile): Form {
  if (isEnvFile(file.path)) return 'env';
  if (isComposeFile(file)) return 'compose';
  return /(?:grafana|^custom|^defaults)[^/]*\.ini$/.test(basename(file.path)) ? 'grafana' : 'other';
}

export function isComposeFile(file: StackFile): boolean {
  // The name first: every other file would be parsed once more for nothing.
  if (!/^(?:docker-)?compose(?:[.-].*)?\.ya?ml$/.test(basename(file.path))) return false;
  return documentsOf(file).some((document) => document.hasIn(['services']));
}

function findingOf(file: StackFile, setting: Setting, secret: Secret, guessable: boolean, form: Form): Finding {
  return {
    check: guessable ? 'guessable-password' : 'plaintext-secret',
    place: `${file.path}:${setting.line}`,
    severity: 'high',
    what: guessable
      ? `${setting.name} is a default or an example's, which everybody tries first`
      : `${setting.name} stands there in the clear`,
    why: guessable
      ? 'Whoever reaches the port gets in with the first guess, and such defaults survive into production.'
      : 'Whoever can read the file, a backup of it or the repository has the secret, and nobody sees that it was taken.',
    repair: repairOf(file, setting, secret, form),
  };
}

/** The value is made anew rather than moved: it has been readable. */
function repairOf(file: StackFile, setting: Setting, secret: Secret, form: Form): Repair {
  const issued = isIssuedElsewhere(secret.name, secret.value);
  const set = `countersign secrets set ${secret.name}`;
  const commands = [issued ? set : `${set} --generate`];
  const variable = secret.name.toUpperCase();
  const edit = editOf(file, setting, secret, form, variable);
  const start = isOfMcpClient(setting)
    ? 'Then take it out of here: let the gateway reach or run that server, with the secret in a file of its own (upstreamKey, secrets), and give the client a key of its own; docs/mcp.md has both files'
    : edit
      ? startWords(secret.name, variable, form)
      : `Then let the program read it from the file that $${variable}_FILE names under \`countersign secrets run\`, and take it out of here`;
  return repair({ commands, edit, words: `${start}. ${newOneWords(secret, set, issued)}` });
}

/** What `keys create --to` and `deploy env` write, and `envFiles` reads: without it neither the caller nor we would have the key. */
function repairOfKey({ path }: StackFile, caller: string): Repair {
  return repair({
    commands: [`chmod 600 ${shellWord(path)}`],
    words: `It is the key of ${caller}, which reads it there. Whoever could read it has it: give ${caller} another, as docs/keys.md says`,
  });
}

/** The key that the gateway gave an MCP client, which reads it nowhere else, in a file of its user alone. */
function isKeptByClient({ mode }: StackFile, setting: Setting, { value }: Secret): boolean {
  return isOfMcpClient(setting) && (mode & 0o077) === 0 && mintedKind(value) === 'sk' && wellFormed(value);
}

function isOfMcpClient({ within }: Setting): boolean {
  return within.includes('mcpServers') || within[0] === 'servers';
}

/** Where a new value has to be known besides, so that what is in use goes on. */
function newOneWords({ value, name }: Secret, set: string, issued: boolean): string {
  if (issued) return 'Whoever issued it gives you a new one, which the command reads, and revokes this one';
  if (!isGuessable(value))
    return `If somebody else issued it, get a new one there, and put it in without --generate: ${set}`;
  return /passw/.test(name)
    ? 'A database or Grafana that has started before keeps its old password until `countersign passwords rotate` gives it another'
    : 'Give the new one to whatever else uses it';
}

/** How what reads the file comes to the secret from then on. */
function startWords(name: string, variable: string, form: Form): string {
  const start = `Start what reads it with: countersign secrets run --env ${name} -- COMMAND`;
  if (form === 'grafana') return `${start}; a container needs ${variable} in its environment, too`;
  return form === 'env'
    ? `${start}; a container that had it by env_file needs \`environment: [${variable}]\` instead, which passes it on`
    : start;
}

function editOf(file: StackFile, { range }: Setting, secret: Secret, form: Form, variable: string): Edit | null {
  if (range === null || file.text === null || form === 'other') return null;
  const line = file.text.slice(0, range[0]).split('\n').length;
  if (form === 'env' && !secret.partial && !secret.renamed) return { file: file.path, line, lines: [] };
  const reference =
    form === 'grafana' ? `$__env{${variable}}` : form === 'env' ? `\${${variable}}` : `\${${variable}:?}`;
  const raw = file.text.slice(...range);
  const written = secret.partial ? raw.replace(secret.value, () => reference) : reference;
  // An escape in quotes can hide the secret, and braces of a flow would swallow those of the reference.
  if (written === raw || (form === 'compose' && /[[{]/.test(lineWith(file.text, range, '')))) return null;
  return { file: file.path, line, lines: [lineWith(file.text, range, written)] };
}

/** Secrets of Kubernetes: base64 hides nothing. */
function clearManifests(file: StackFile): Finding[] {
  if (file.text?.includes('Secret') !== true) return [];
  return documentsOf(file).flatMap((document) => {
    if (document.get('kind') !== 'Secret' || document.get('apiVersion') !== 'v1' || isEncrypted(document)) return [];
    if (!document.hasIn(['data']) && !document.hasIn(['stringData'])) return [];
    return [
      {
        check: 'clear-kubernetes-secret',
        place: `${file.path}:${lineOfNode(file, document.contents?.range?.[0] ?? 0)}`,
        severity: 'high' as const,
        what: 'a Secret of Kubernetes in the clear',
        why: 'base64 is no encryption: whoever reads the manifest reads the secret, and manifests end up in repositories.',
        repair: repair({
          commands: [`sops encrypt --in-place --encrypted-regex '^(data|stringData)$' ${shellWord(file.path)}`],
          words: 'Where the manifest was committed or sent to anybody, replace the secret as well.',
        }),
      },
    ];
  });
}

export function lineOfNode({ text }: StackFile, offset: number): number {
  return (text ?? '').slice(0, offset).split('\n').length;
}
