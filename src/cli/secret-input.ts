import { readFileSync } from 'node:fs';
import { parseEnvFile } from '../keys/sources/env-file.ts';
import type { Invocation } from './command.ts';
import { codeOf, refused, usage } from './failure.ts';

/** A secret from standard input. A trailing newline is not part of it. */
export async function secretFromStdin(invocation: Invocation, what: string): Promise<string> {
  return oneLine(await textFromStdin(invocation, what), what);
}

/** The same of several lines: a key in PEM form. */
export async function textFromStdin(invocation: Invocation, what: string): Promise<string> {
  if (invocation.stdin.isTerminal) invocation.out.talk(`Paste ${what}, then Enter and Ctrl-D:`);
  const text = withoutNewline(await invocation.stdin.read());
  if (text === '')
    throw usage(`${what} is read from standard input, and that is empty`, 'Give it from a file: … < FILE');
  return text;
}

/** A secret from a file, alone in it or as SERVICE_KEY= of a .env file. */
export function secretFromFile(file: string, what: string): string {
  return signingKeyFromFile(file, what).secret;
}

/** The same, and whose key it is where the .env file says so with SERVICE_ID=. */
export function signingKeyFromFile(file: string, what: string): { secret: string; serviceId: string | null } {
  const text = readText(file, what);
  const reading = /^\s*(?:export\s+)?SERVICE_KEY\s*=/m.test(text) ? parseEnvFile(text) : null;
  if (reading && !reading.ok) throw refused(`${file}:${reading.line}: ${reading.fault}`);
  const secret = reading?.values.get('SERVICE_KEY') ?? withoutNewline(text);
  if (secret === '') throw refused(`${file} is empty, and ${what} was to be in it`);
  return { secret: oneLine(secret, what), serviceId: reading?.values.get('SERVICE_ID') || null };
}

/** A secret as above, or a private key: in PEM form, which has several lines. From standard input where there is no file. */
export async function signingKeyOrPem(
  invocation: Invocation,
  file: string | null,
  what: string,
): Promise<{ secret: string; serviceId: string | null }> {
  if (file !== null && !readText(file, what).startsWith(pemStart)) return signingKeyFromFile(file, what);
  const text = file === null ? await textFromStdin(invocation, what) : withoutNewline(readText(file, what));
  return { secret: text.startsWith(pemStart) ? text : oneLine(text, what), serviceId: null };
}

const pemStart = '-----BEGIN';

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw refused(`${what} cannot be read from ${file} (${codeOf(error) ?? 'unreadable'})`);
  }
}

function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function oneLine(secret: string, what: string): string {
  if (/[\r\n]/.test(secret)) throw refused(`${what} must be one line, and there are several`);
  return secret;
}
