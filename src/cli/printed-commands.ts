import { shellWord } from '../core/text/shell-word.ts';
import { COMMANDS } from './commands.ts';
import type { Output } from './output.ts';

const names = COMMANDS.map(({ name }) => name).join('|');
const printed = new RegExp(`\\bcountersign (?:${names})(?![\\w-])`, 'g');

/** The text, in which each command of ours is told to use this configuration: 'countersign keys list --config prod.yaml'. */
export function namingConfig(text: string, file: string): string {
  return text.replace(printed, (command) => `${command} --config ${shellWord(file)}`);
}

/**
 * For a command that was called with --config: copied, what it says to run would act on whatever stack the folder has, or on
 * none. Only talk and advice are changed. Other results are data: a diff, a secret, a name that somebody chose.
 */
export function outputNaming(out: Output, file: string): Output {
  const named = (text: string): string => namingConfig(text, file);
  return {
    line: (text) => out.line(text),
    json: (value) => out.json(value),
    advice: (text) => out.advice(named(text)),
    talk: (text = '') => out.talk(named(text)),
    warn: (text) => out.warn(named(text)),
    paint: (style, text) => out.paint(style, text),
    paintTalk: (style, text) => out.paintTalk(style, text),
    get width() {
      return out.width;
    },
    get gone() {
      return out.gone;
    },
    get fault() {
      return out.fault;
    },
  };
}
