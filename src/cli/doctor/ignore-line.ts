/** The line of a .gitignore that matches this file, whatever it is called: a line break in a name would begin lines of its own. */
export function ignoreLine(file: string): string {
  const pattern = file.replace(/[\\*?[\]]/g, '\\$&').replace(/[\r\n]/g, '?');
  return `/${pattern.replace(/ +$/, (blanks) => '\\ '.repeat(blanks.length))}`;
}
