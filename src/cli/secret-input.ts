import { readFileSync } from 'node:fs';
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
  if (text === '') throw usage(`${what} is read from standard input, and that is empty`);
  return text;
}

/** A secret from a file; a .env file holds it as NAME=. */
export function secretFromFile(file: string, what: string, name = 'SERVICE_KEY'): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw refused(`${what} cannot be read from ${file} (${codeOf(error) ?? 'unreadable'})`);
  }
  const line = new RegExp(`^(?:export +)?${name}=(.*)$`, 'm').exec(text);
  const secret = line?.[1] === undefined ? withoutNewline(text) : line[1].trim().replace(/^(["'])(.*)\1$/, '$2');
  if (secret === '') throw refused(`${file} is empty, and ${what} was to be in it`);
  return oneLine(secret, what);
}

function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function oneLine(secret: string, what: string): string {
  if (/[\r\n]/.test(secret)) throw refused(`${what} must be one line, and there are several`);
  return secret;
}
