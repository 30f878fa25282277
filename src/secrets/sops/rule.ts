import { SecretsError } from '../secrets-error.ts';
import { patternOf } from './pattern.ts';

/** Which values of a file are encrypted. */
export interface Rule {
  /** As SOPS writes it: { field: 'encrypted_regex', text: '^data$' }. Null field: all but what ends with `_unencrypted`. */
  readonly field: RuleField | null;
  readonly text: string;
  /** True when what stands at this path is encrypted. */
  encrypts(path: readonly string[]): boolean;
}

export type RuleField = 'unencrypted_suffix' | 'encrypted_suffix' | 'unencrypted_regex' | 'encrypted_regex';

const fields: readonly RuleField[] = ['unencrypted_suffix', 'encrypted_suffix', 'unencrypted_regex', 'encrypted_regex'];
const unsupported = ['unencrypted_comment_regex', 'encrypted_comment_regex'];

/** From a file's own metadata or a creation rule of `.sops.yaml`. */
export function ruleFrom(settings: Readonly<Record<string, unknown>>): Rule {
  for (const field of unsupported) {
    if (settings[field])
      throw new SecretsError('bundle_invalid', `${field} is not supported here; use the sops program for this file`);
  }
  const set = fields.filter((field) => settings[field] !== undefined && settings[field] !== '');
  if (set.length > 1) throw new SecretsError('bundle_invalid', `only one of ${set.join(' and ')} may be set`);
  const [field] = set;
  if (field === undefined) return ruleOf(null, '_unencrypted');
  const text = settings[field];
  if (typeof text !== 'string') throw new SecretsError('bundle_invalid', `${field} must be text`);
  return ruleOf(field, text);
}

function ruleOf(field: RuleField | null, text: string): Rule {
  const names = field?.endsWith('regex') ? matcher(field, text) : (key: string): boolean => key.endsWith(text);
  const whenHit = field?.startsWith('encrypted') ?? false;
  return { field, text, encrypts: (path) => path.some(names) === whenHit };
}

function matcher(field: RuleField, text: string): (key: string) => boolean {
  // Go allows flags at the start of the whole; JavaScript takes them beside it.
  const [, flags = '', source = ''] = /^(?:\(\?([is]+)\))?([^]*)$/.exec(text) ?? [];
  const fault = (): SecretsError =>
    new SecretsError('bundle_invalid', `${field} is no pattern that can be used here: ${text}`);
  try {
    const matches = patternOf(source, `${[...new Set(flags)].join('')}u`);
    return (key) => {
      try {
        return matches(key);
      } catch {
        throw fault();
      }
    };
  } catch {
    throw fault();
  }
}
