/** What may be said of a text of JSON: no two readers find different values in the one spelling. */
export type Spelling = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly note: string };

/** Levels of arrays and objects. A tool's arguments are seldom deeper than ten. */
const depthMax = 100;

/** The text, known to be JSON, in one spelling. Refuses a name that stands twice in one object, and what nests too deeply. */
export function oneSpelling(source: string): Spelling {
  // Of each open object the names so far; null for an array.
  const open: (Set<string> | null)[] = [];
  // What stands as it is to stand is taken over in as few pieces as can be: a piece for each token would fill the memory.
  const pieces: string[] = [];
  let taken = 0;
  let at = 0;
  let namesNext = false;
  const replace = (end: number, text: string): void => {
    pieces.push(source.slice(taken, at), text);
    taken = at = end;
  };
  while (at < source.length) {
    const mark = source[at] as string;
    if (isBlank(mark)) {
      let end = at + 1;
      while (isBlank(source[end])) end += 1;
      replace(end, '');
    } else if (mark === '"') {
      const end = stringEnd(source, at);
      const written = source.slice(at, end);
      // Without an escape what is written is what is meant, and how it is to be written: nothing has to be made of a large text.
      const isPlain = !written.includes('\\');
      const value = isPlain ? written.slice(1, -1) : (JSON.parse(written) as string);
      const names = open.at(-1);
      if (namesNext && names) {
        if (names.has(value)) return { ok: false, note: `the name ${JSON.stringify(value.slice(0, 64))} stands twice` };
        names.add(value);
        namesNext = false;
      }
      const text = isPlain ? written : JSON.stringify(value);
      if (text === written) at = end;
      else replace(end, text);
    } else {
      at += 1;
      if (mark === '{' || mark === '[') {
        open.push(mark === '{' ? new Set() : null);
        if (open.length > depthMax) return { ok: false, note: `nested deeper than ${depthMax} levels` };
      } else if (mark === '}' || mark === ']') open.pop();
      if (',:[]{}'.includes(mark)) namesNext = mark === '{' || (mark === ',' && open.at(-1) !== null);
    }
  }
  if (pieces.length === 0) return { ok: true, text: source };
  pieces.push(source.slice(taken));
  return { ok: true, text: pieces.join('') };
}

function isBlank(char: string | undefined): boolean {
  return char === ' ' || char === '\n' || char === '\t' || char === '\r';
}

/** Behind the string that begins there. A pattern would need memory for each character of it. */
function stringEnd(source: string, start: number): number {
  for (let closing = source.indexOf('"', start + 1); ; closing = source.indexOf('"', closing + 1)) {
    let escapes = closing;
    while (source[escapes - 1] === '\\') escapes -= 1;
    if ((closing - escapes) % 2 === 0) return closing + 1;
  }
}
