/** A secret as people wrongly make an HMAC key of it, and how to say so. */
export interface KeyMistake {
  readonly key: Buffer;
  readonly words: string;
}

export function keyMistakes(secret: string): KeyMistake[] {
  const mistakes: KeyMistake[] = [
    { key: Buffer.from(`${secret}\n`), words: 'the key has a trailing line break: strip what follows it in the file' },
    {
      key: Buffer.from(`${secret}\r\n`),
      words: 'the key has a trailing line break (CRLF): strip what follows it in the file',
    },
    { key: Buffer.from(` ${secret}`), words: 'the key has a space before it' },
    { key: Buffer.from(`"${secret}"`), words: 'the quotes around the key were taken for a part of it' },
    {
      key: Buffer.from(`SERVICE_KEY=${secret}`),
      words: 'the whole line SERVICE_KEY=… was taken for the key: it is what follows "="',
    },
  ];
  if (/^(?:[0-9A-Fa-f]{2})+$/.test(secret)) {
    mistakes.push({
      key: Buffer.from(secret, 'hex'),
      words: 'the key was decoded from hex: use its characters as they are written',
    });
    for (const other of new Set([secret.toLowerCase(), secret.toUpperCase()]))
      if (other !== secret)
        mistakes.push({
          key: Buffer.from(other),
          words: 'the key was used in another letter case than it is written in',
        });
  }
  if (/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(secret))
    mistakes.push({
      key: Buffer.from(secret, 'base64'),
      words: 'the key was decoded from base64: use its characters as they are written',
    });
  return mistakes;
}
