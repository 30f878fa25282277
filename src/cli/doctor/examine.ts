import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { StackConfig } from '../../compose/config.ts';
import { systemClock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import { listenOrigin } from '../listen-origin.ts';
import { checkCompose } from './check-compose.ts';
import { checkHistory, checkTracked, isRepository } from './check-git.ts';
import { checkKnownForms } from './check-known-forms.ts';
import { checkListeners } from './check-listeners.ts';
import { checkModes } from './check-modes.ts';
import { checkOauth } from './check-oauth.ts';
import { checkSettings, type SecretSeen } from './check-settings.ts';
import { checkStore } from './check-store.ts';
import { repair, type Finding } from './finding.ts';
import { stackFiles } from './stack-files.ts';

export interface Examined {
  readonly findings: readonly Finding[];
  /** What was not looked at, one line each: no finding there means nothing. */
  readonly notLookedAt: readonly string[];
}

/** What lies in the folder, whether or not there is a gateway yet. */
export async function examineFolder(folder: string, config: StackConfig | null): Promise<Examined> {
  const { files, skipped } = stackFiles(folder);
  const settings = checkSettings(files);
  const seen = new Set(settings.secrets.map(({ file, line }) => `${file}:${line}`));
  const known = await checkKnownForms(files, seen);
  const compose = checkCompose(files, config?.listen.port ?? null);
  const clear = [...settings.findings, ...known, ...compose.filter(({ repair: { commands } }) => commands.length > 0)];
  const withSecrets = new Set(settings.secrets.filter(({ guessable }) => !guessable).map(({ file }) => file));
  const modes = checkModes(files, withSecrets, folder, config === null ? [] : ownFiles(folder, config));
  const inGit = isRepository(folder);
  const history = inGit ? await checkHistory(folder) : null;
  const findings = [
    ...(clear.length > 0 && !existsSync(join(folder, 'secrets.sops.yaml')) ? [noBundle(folder)] : []),
    ...settings.findings,
    ...known,
    ...compose,
    ...(inGit ? checkTracked(folder, settings.secrets) : []),
    ...modes,
    ...(history?.findings ?? []),
  ];
  return {
    findings: findings.map((finding) => withoutSecrets(finding, settings.secrets)),
    notLookedAt: [
      ...skipped,
      ...(inGit ? [] : ['history: the folder is in no git repository']),
      ...(history?.cutOff === true ? ['history: only a part of it, it is too large'] : []),
    ],
  };
}

/** What runs: keys and evidence in the store, listening ports, what is said about OAuth. */
export async function examineStack(config: StackConfig, store: Store): Promise<Finding[]> {
  return [
    ...checkListeners(config),
    ...(await checkStore(config, store, systemClock())),
    ...(await checkOauth(listenOrigin(config), config.services)),
  ];
}

/** A line that is to be written shows what else stands on it. */
function withoutSecrets(finding: Finding, secrets: readonly SecretSeen[]): Finding {
  const { edit } = finding.repair;
  const text = edit?.lines.join('\n') ?? '';
  if (edit === null || !shows(text, edit.file, secrets)) return finding;
  const words = `Several settings stand on line ${edit.line} of ${edit.file}; write a reference to the secret there by hand.`;
  return { ...finding, repair: { ...finding.repair, edit: null, words } };
}

function shows(text: string, inFile: string, secrets: readonly SecretSeen[]): boolean {
  return secrets.some(({ file, value, guessable }) => file === inFile && !guessable && text.includes(value));
}

function noBundle(folder: string): Finding {
  return {
    check: 'no-bundle',
    place: folder,
    severity: 'high',
    what: 'there is no encrypted place for the secrets that lie about',
    why: 'Secrets that have no place of their own end up in files that everybody reads.',
    repair: repair({ commands: ['countersign secrets init'] }),
  };
}

/** Countersign's state and the files of keys that the configuration names. */
function ownFiles(folder: string, config: StackConfig): string[] {
  const state = join(folder, '.countersign');
  const named = config.services.flatMap(({ apiKeyFile, upstreamKey }) => [apiKeyFile, upstreamKey?.file ?? null]);
  const patterns = config.keys.flatMap((source) => (source.kind === 'redis' ? [] : matching(source.pattern)));
  const inState = existsSync(state) ? [state, ...namesIn(state).map((name) => join(state, name))] : [];
  const all = [...named.filter((path) => path !== null), ...patterns];
  // What lies in the folder is judged with its other files.
  return [...inState, ...new Set(all.filter((path) => !path.startsWith(`${folder}/`)))];
}

function matching(pattern: string): string[] {
  const folder = dirname(pattern);
  const parts = basename(pattern).split('*');
  const form = new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^/]*')}$`);
  return namesIn(folder)
    .filter((name) => form.test(name))
    .map((name) => join(folder, name));
}

/** None of a folder that is not there, or that another user keeps to himself. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
