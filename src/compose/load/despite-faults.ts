import { dirname } from 'node:path';
import { builtConfig } from '../build/build.ts';
import type { StackConfig } from '../config.ts';
import { readEnvironment, type Env } from '../env.ts';
import { placeIn } from '../checks/place.ts';
import { storeConfig } from '../schema/store-urls.ts';
import { sourceDocument } from '../schema/document.ts';

/**
 * A configuration that is wrong somewhere, with its store and nothing else, for what cannot wait until it is mended. Null where
 * there is a doubt which store it means: what is ended in another one goes on here. File: its absolute path.
 */
export function storeDespiteFaults(text: string, file: string, env: Env): StackConfig | null {
  const written = writtenStore(text);
  const { environment, storeFaults } = readEnvironment(env);
  if (written === null || (written === undefined && storeFaults.length > 0)) return null;
  if (written !== undefined && storeConfig(written) === null) return null;
  const raw = written === undefined ? {} : { store: written };
  return builtConfig(raw, { file, digest: '', folder: dirname(file), environment, warnings: [] });
}

/** Undefined where none is written. Where the file is no YAML, a line that names one counts if it is the only one to do so. */
function writtenStore(text: string): string | null | undefined {
  const whole = sourceDocument(text);
  if (whole.faults.length === 0) return textOf(whole);
  const mentions = text.match(/^.*\bstore\b["']?[ \t]*:.*$/gm) ?? [];
  const [line, ...others] = mentions.filter((mention) => !/^[ \t]*#/.test(mention));
  // A file that was emptied, or cut off before its services, says nothing about its store.
  if (line === undefined) return /^services:/m.test(text) ? undefined : null;
  const alone = sourceDocument(line);
  return others.length === 0 && line.startsWith('store') && alone.faults.length === 0 ? textOf(alone) : null;
}

function textOf(source: ReturnType<typeof sourceDocument>): string | null | undefined {
  const { value, text } = placeIn(source).get('store');
  return value === undefined ? undefined : text;
}
