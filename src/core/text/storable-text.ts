/**
 * Text as every store can hold it and gives it back: without NUL, which Postgres refuses, and without halves of characters,
 * which UTF-8 has no bytes for. Anybody may put both into a request.
 */
export function storableText(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}

/** The same of what may be a text. */
export function storable<Value>(value: Value): Value | string {
  return typeof value === 'string' ? storableText(value) : value;
}
