/** A text as one word of a POSIX shell, so that a command that is printed can be pasted, whatever the path is called. */
export function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) && !text.startsWith('-')
    ? text
    : `'${`${text.startsWith('-') ? '../' : ''}${text}`.replaceAll("'", "'\\''")}'`;
}
