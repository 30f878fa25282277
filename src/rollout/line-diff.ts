/** A change to whole lines: those from `line` on (0-based), `removed` of them, give way to `added`. */
export interface LineEdit {
  readonly line: number;
  readonly removed: number;
  readonly added: readonly string[];
  /** What part of the file it is in, for whoever reads a diff. */
  readonly part?: string;
}

/** Edits of one place in the order in which they are given; they must not overlap. Lines are without their ends. */
export function applyEdits(lines: readonly string[], edits: readonly LineEdit[]): string[] {
  const result = [...lines];
  for (const { line, removed, added } of inOrder(edits).toReversed()) result.splice(line, removed, ...added);
  return result;
}

/** As `diff -u` writes it, and `patch` reads it; '' where there are no edits. */
export function unifiedDiff(
  file: string,
  lines: readonly string[],
  edits: readonly LineEdit[],
  contextLines = 3,
): string {
  const hunks: LineEdit[][] = [];
  for (const edit of inOrder(edits)) {
    const last = hunks.at(-1)?.at(-1);
    if (last && edit.line - (last.line + last.removed) <= contextLines * 2) hunks.at(-1)?.push(edit);
    else hunks.push([edit]);
  }
  if (hunks.length === 0) return '';
  const parts = [`--- ${file}`, `+++ ${file}`];
  let shift = 0;
  for (const hunk of hunks) {
    const { text, from, before, after } = hunkText(lines, hunk, contextLines);
    const spans = `-${spanOf(from, before)} +${spanOf(from + shift, after)}`;
    parts.push(`@@ ${spans} @@ ${hunk[0]?.part ?? ''}`.trimEnd(), ...text);
    shift += after - before;
  }
  return `${parts.join('\n')}\n`;
}

/** Of no lines at all, the line before them is named. */
function spanOf(from: number, count: number): string {
  return `${count === 0 ? from : from + 1},${count}`;
}

function hunkText(lines: readonly string[], hunk: readonly LineEdit[], contextLines: number) {
  const [first, last] = [hunk[0], hunk.at(-1)];
  const from = Math.max(0, (first?.line ?? 0) - contextLines);
  const until = Math.min(lines.length, (last ? last.line + last.removed : 0) + contextLines);
  const text: string[] = [];
  let at = from;
  for (const { line, removed, added } of hunk) {
    text.push(...lines.slice(at, line).map((each) => ` ${each}`));
    text.push(...lines.slice(line, line + removed).map((each) => `-${each}`));
    text.push(...added.map((each) => `+${each}`));
    at = line + removed;
  }
  text.push(...lines.slice(at, until).map((each) => ` ${each}`));
  const before = until - from;
  const grown = hunk.reduce((sum, { removed, added }) => sum + added.length - removed, 0);
  return { text, from, before, after: before + grown };
}

function inOrder(edits: readonly LineEdit[]): LineEdit[] {
  return edits.toSorted((a, b) => a.line - b.line);
}
