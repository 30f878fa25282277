import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemClock } from '../../../core/clock.ts';
import { newKeyPair, recipientFault, recipientOf } from '../../../secrets/age.ts';
import { formOf, writeWhole } from '../../../secrets/bundle-file.ts';
import { creationRuleFor, type CreationRule } from '../../../secrets/creation-rules.ts';
import { keyFileOf, readIdentities } from '../../../secrets/identities.ts';
import { repositoryOf } from '../../../secrets/repository.ts';
import { ruleFrom } from '../../../secrets/sops/rule.ts';
import { newSopsFile } from '../../../secrets/sops/sops-file.ts';
import { bundlePath } from '../../bundle-place.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { recordOutside } from '../../workplace.ts';

/** Names under which secrets in the clear, or the key to them, are usually left lying about; and our own state. */
const neverCommitted = ['secrets.yaml', 'secrets.dec.yaml', '*.agekey', 'keys.txt', '.countersign/'];

/** Nothing that exists is overwritten. */
export async function secretsInit(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  const bundle = bundlePath(invocation);
  const folder = dirname(bundle);
  if (existsSync(bundle)) throw refused(`${bundle} exists already and was left alone`);
  const others = invocation.texts('recipient');
  for (const recipient of others) {
    const fault = recipientFault(recipient);
    if (fault !== null) throw usage(`--recipient: ${fault}`);
  }
  const root = repositoryOf(folder);
  const key = await ageKey(invocation, root);
  const rule = existingRule(bundle, key.recipient, others);
  const recipients = rule?.recipients ?? [...new Set([key.recipient, ...others])];
  const rulesFile = join(folder, '.sops.yaml');
  const ignored = root === null ? [] : neverCommitted.filter((name) => !isIgnored(folder, name));
  const written = [
    ...(key.isNew ? [key.file] : []),
    ...(rule === null ? [rulesFile] : []),
    bundle,
    ...(ignored.length > 0 ? [join(folder, '.gitignore')] : []),
  ];
  if (!dryRun) {
    const file = await newSopsFile(formOf(bundle), rule?.rule ?? ruleFrom({}), recipients);
    if (key.isNew) writeKeyFile(key.file, key.identity, key.recipient);
    if (rule === null) writeFileSync(rulesFile, rulesText(bundle, recipients), { mode: 0o644, flag: 'wx' });
    writeWhole(bundle, file.text(systemClock()));
    if (ignored.length > 0) ignore(join(folder, '.gitignore'), ignored);
    await recordOutside(invocation, { type: 'bundle.begun', subject: bundle, detail: { recipients } });
  }
  if (root !== null && isIgnored(folder, basename(bundle)))
    out.warn(`git ignores ${basename(bundle)}; it is encrypted, and meant to be committed`);
  if (invocation.json)
    out.json({ file: bundle, key_file: key.file, recipient: key.recipient, recipients, written, dry_run: dryRun });
  else {
    for (const path of written) out.line(`${dryRun ? 'would write' : 'wrote'}  ${path}`);
    out.line(`opened by  ${recipients.join(', ')}`);
    if (key.isNew && !dryRun)
      out.talk(`\nKeep a copy of ${key.file} in a safe place: without it the bundle stays shut.`);
  }
  return EXIT.done;
}

interface AgeKey {
  readonly file: string;
  readonly recipient: string;
  readonly identity: string;
  readonly isNew: boolean;
}

/** The key that is there, else a new one, not written yet. */
async function ageKey(invocation: Invocation, root: string | null): Promise<AgeKey> {
  const { env } = invocation;
  const file = keyFileOf(env);
  if (root !== null && repositoryOf(dirname(file)) === root)
    throw refused(
      `the age key ${file} would lie in the repository ${root}, beside what it opens`,
      'Name a file outside of it: SOPS_AGE_KEY_FILE=~/.config/sops/age/keys.txt',
    );
  if (!existsSync(file) && !env['SOPS_AGE_KEY']) {
    const { identity, recipient } = await newKeyPair();
    return { file, identity, recipient, isNew: true };
  }
  const { identities, warnings } = await readIdentities(env);
  for (const warning of warnings) invocation.out.warn(warning);
  const [identity = ''] = identities;
  return { file, identity, recipient: await recipientOf(identity), isNew: false };
}

/** Null when `.sops.yaml` is to be written. Throws when there is one that does not fit. */
function existingRule(bundle: string, own: string, others: readonly string[]): CreationRule | null {
  const rule = creationRuleFor(bundle);
  if (rule === null) {
    const file = join(dirname(bundle), '.sops.yaml');
    if (existsSync(file))
      throw refused(`${file} has no rule for ${basename(bundle)}`, ruleHint(bundle, [own, ...others]));
    return null;
  }
  const named = rule.recipients;
  if (rule.needsSops)
    throw refused(
      `the rule for ${basename(bundle)} in ${rule.file} names more than age keys`,
      'Begin it with the sops program.',
    );
  const missing = [own, ...others].filter((recipient) => named?.includes(recipient) === false);
  if (missing.length > 0)
    throw refused(
      `${rule.file} does not name ${missing.join(', ')} for ${basename(bundle)}`,
      'Add that to its `age:`, then try again.',
    );
  return rule;
}

function ruleHint(bundle: string, recipients: readonly string[]): string {
  return `Add to its creation_rules:\n${ruleLines(bundle, recipients)}`;
}

function rulesText(bundle: string, recipients: readonly string[]): string {
  return `# Who can open which file. After a change: countersign secrets rotate (or: sops updatekeys)\ncreation_rules:\n${ruleLines(bundle, recipients)}\n`;
}

function ruleLines(bundle: string, recipients: readonly string[]): string {
  const pattern = basename(bundle).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return `  - path_regex: ${JSON.stringify(`(^|/)${pattern}$`)}\n    age: >-\n      ${recipients.join(',\n      ')}`;
}

/** As age-keygen writes it. */
function writeKeyFile(file: string, identity: string, recipient: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const text = `# created: ${new Date().toISOString()}\n# public key: ${recipient}\n${identity}\n`;
  writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
}

/** Git itself is asked, since only it knows all the places where names may be ignored. Without it, our own lines are looked for. */
function isIgnored(folder: string, name: string): boolean {
  const { status } = spawnSync('git', ['check-ignore', '-q', '--no-index', '--', name.replace('*', 'any')], {
    cwd: folder,
  });
  if (status === 0 || status === 1) return status === 0;
  const file = join(folder, '.gitignore');
  return existsSync(file) && readFileSync(file, 'utf8').split(/\r?\n/).includes(name);
}

function ignore(file: string, names: readonly string[]): void {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  appendFileSync(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${names.join('\n')}\n`);
}
