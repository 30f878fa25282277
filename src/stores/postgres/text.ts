/** Text as Postgres can hold it: without NUL and without halves of characters, which anybody may put into a request. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
