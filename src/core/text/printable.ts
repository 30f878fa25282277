/** Callers choose some of the words that are shown to people; a terminal must not obey them. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\u061b\u061d-\u1fff\u2010-\u2027\u3000-\ud7ff]/g, '\ufffd');
}
