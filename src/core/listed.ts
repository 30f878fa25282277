/** The first of many names, and how many more there are, for a line that somebody is to read. `count`: of all. */
export function listed(names: readonly string[], max: number, count = names.length): string {
  const shown = names.slice(0, max);
  return [...shown, ...(count > shown.length ? [`${count - shown.length} more`] : [])].join(', ');
}
