import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { parse } from 'yaml';
import { realFolder, repositoryOf } from './repository.ts';
import { codeOfFault, SecretsError } from './secrets-error.ts';
import { patternOf } from './sops/pattern.ts';
import { ruleFrom, type Rule } from './sops/rule.ts';

/** What `.sops.yaml` says about one file: who shall be able to open it, and which values are encrypted. */
export interface CreationRule {
  /** The `.sops.yaml` that it stands in. */
  readonly file: string;
  /** Null where the rule names nobody, or more than age keys. */
  readonly recipients: readonly string[] | null;
  /** True when it also names holders of other keys, or groups of them: for these only the sops program can encrypt. */
  readonly needsSops: boolean;
  readonly rule: Rule;
}

const notAge = ['kms', 'pgp', 'gcp_kms', 'hckms', 'azure_keyvault', 'hc_vault_transit_uri', 'key_groups'];

/** The first rule that is meant for the file, in the nearest `.sops.yaml`. Null when there is none. */
export function creationRuleFor(bundle: string): CreationRule | null {
  const folder = realFolder(dirname(bundle));
  const file = nearest(folder, repositoryOf(folder) ?? folder);
  if (file === null) return null;
  const path = relative(dirname(file), join(folder, basename(bundle)));
  for (const entry of readRules(file)) {
    if (!matches(entry['path_regex'], path, file)) continue;
    refusePrivate(recipientsOf(entry) ?? [], file);
    const needsSops = notAge.some((name) => entry[name] !== undefined);
    return { file, recipients: needsSops ? null : recipientsOf(entry), needsSops, rule: ruleFrom(entry) };
  }
  return null;
}

/** Not above the repository: whoever can write to a folder up there, /tmp say, would choose the recipients. */
function nearest(folder: string, top: string): string | null {
  const file = join(folder, '.sops.yaml');
  if (existsSync(file)) return file;
  return folder === top || dirname(folder) === folder ? null : nearest(dirname(folder), top);
}

function readRules(file: string): Record<string, unknown>[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new SecretsError('bundle_invalid', `${file}: cannot be read (${codeOfFault(error)})`);
  }
  const rules = listIn(text);
  if (!Array.isArray(rules) || !rules.every((rule) => typeof rule === 'object' && rule !== null))
    throw new SecretsError('bundle_invalid', `${file}: is not valid YAML with a list creation_rules`);
  return rules as Record<string, unknown>[];
}

/** Null where it is no YAML, or YAML whose aliases lead nowhere or unfold without end. */
function listIn(text: string): unknown {
  try {
    return (parse(text) as { creation_rules?: unknown } | null)?.creation_rules;
  } catch {
    return null;
  }
}

function matches(pattern: unknown, path: string, file: string): boolean {
  if (pattern === undefined || pattern === '') return true;
  try {
    return patternOf(String(pattern), 'u')(path);
  } catch {
    throw new SecretsError(
      'bundle_invalid',
      `${file}: path_regex is no pattern that can be used here: ${String(pattern)}`,
    );
  }
}

/** Before anybody says whom the rules name. */
function refusePrivate(recipients: readonly string[], file: string): void {
  if (recipients.some((recipient) => /^age-(?:secret-key|plugin)-/i.test(recipient)))
    throw new SecretsError(
      'bundle_invalid',
      `${file}: names a private key; a recipient is its public half, age1…. Make another, since this one lay in the clear`,
    );
}

function recipientsOf(entry: Record<string, unknown>): string[] | null {
  const age = entry['age'];
  const list = Array.isArray(age) ? age.map(String) : typeof age === 'string' ? age.split(',') : [];
  const recipients = list.map((recipient) => recipient.trim()).filter((recipient) => recipient !== '');
  return recipients.length === 0 ? null : [...new Set(recipients)];
}
