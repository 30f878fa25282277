import { pathOfTarget, signatureMessage } from './format.ts';

/** The mistakes that people make with this scheme, as strings and encodings to be tried. */
export interface MessageMistake {
  readonly message: string;
  readonly words: string;
}

export interface SignatureForm {
  readonly hex: string;
  /** '' for the right form. */
  readonly words: string;
}

interface SignedRequest {
  readonly serviceId: string;
  readonly method: string;
  readonly target: string;
  readonly timestamp: string;
  readonly prefix?: string;
}

/** How far the signed time may be from the sent one and still be found: two readings of a clock around a slow call. */
const clockSecondsMax = 60;

export function messageMistakes(request: SignedRequest): MessageMistake[] {
  const { serviceId, method, target, timestamp } = request;
  const path = pathOfTarget(target);
  const right = signatureMessage(serviceId, method, path, timestamp);
  const mistakes: MessageMistake[] = [];
  const mistake = (message: string, words: string) => {
    if (message !== right) mistakes.push({ message, words });
  };
  const onPath = (other: string, words: string) =>
    mistake(signatureMessage(serviceId, method, other, timestamp), words);

  for (const other of new Set([method.toLowerCase(), method.toUpperCase()]))
    mistake(
      signatureMessage(serviceId, other, path, timestamp),
      `the method was signed as "${other}", the request line has "${method}"`,
    );
  onPath(target, 'the query was signed: sign the path only, up to the question mark');
  onPath(path.endsWith('/') ? path.slice(0, -1) : `${path}/`, trailingSlashWords(path));
  for (const { other, words } of prefixMistakes(path, request.prefix)) onPath(other, words);
  onPath(path.toLowerCase(), 'the path was signed in lower case: letter case counts');
  onPath(decoded(path), 'the path was signed decoded: sign it percent-encoded, as it goes on the request line');
  onPath(path.slice(1), 'the path was signed without its leading slash');
  for (const other of idMistakes(serviceId))
    mistake(
      signatureMessage(other, method, path, timestamp),
      `the service id was signed as "${other}", X-Service-ID has "${serviceId}"`,
    );
  for (const { other, words } of timeMistakes(timestamp))
    mistake(signatureMessage(serviceId, method, path, other), words);
  mistake(`${right}\n`, 'the signed string ends in a line break: sign it without (echo -n, printf)');
  mistake(
    [serviceId, method, path, timestamp].join('\n'),
    'the parts were joined with line breaks: join them with colons',
  );
  mistake([serviceId, method, path, timestamp].join('|'), 'the parts were joined with "|": join them with colons');
  mistake([method, path, timestamp].join(':'), 'the service id was left out of the signed string');
  mistake([serviceId, timestamp, method, path].join(':'), 'the timestamp was signed before the method: it comes last');
  return mistakes;
}

/** Every way to read the signature as 32 bytes. */
export function signatureForms(signature: string): SignatureForm[] {
  const forms: SignatureForm[] = [];
  const bare = signature.trim().replace(/^(?:hmac-)?sha-?256[=:]/i, '');
  const around =
    bare === signature
      ? ''
      : 'the signature has something around it ("sha256=", a space): send the 64 characters alone';
  if (/^[0-9a-f]{64}$/.test(bare)) forms.push({ hex: bare, words: around });
  else if (/^[0-9A-Fa-f]{64}$/.test(bare))
    forms.push({ hex: bare.toLowerCase(), words: 'the signature is in upper-case hex: write it in lower case' });
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(bare))
    forms.push({
      hex: Buffer.from(bare, 'base64').toString('hex'),
      words: 'the signature is in base64: write it in lower-case hex',
    });
  return forms;
}

function trailingSlashWords(path: string): string {
  return path.endsWith('/')
    ? 'the path was signed without its trailing slash, and the request line has one'
    : 'the path was signed with a trailing slash, and the request line has none';
}

function* prefixMistakes(path: string, prefix: string | undefined): Generator<{ other: string; words: string }> {
  const first = path.indexOf('/', 1);
  const words =
    'the path was signed without its first part: a gateway’s prefix belongs to the path on the request line';
  if (prefix !== undefined && path.startsWith(`${prefix}/`)) yield { other: path.slice(prefix.length), words };
  else if (first !== -1) yield { other: path.slice(first), words };
  if (prefix !== undefined)
    yield {
      other: prefix + path,
      words: `the path was signed with the prefix ${prefix}, and the request line has none`,
    };
}

function idMistakes(serviceId: string): Set<string> {
  const others = new Set([
    serviceId.toLowerCase(),
    serviceId.toUpperCase(),
    serviceId.replaceAll('-', '_'),
    serviceId.replaceAll('_', '-'),
    `service:${serviceId}`,
  ]);
  others.delete(serviceId);
  return others;
}

function* timeMistakes(timestamp: string): Generator<{ other: string; words: string }> {
  const seconds = Number(timestamp);
  if (!Number.isSafeInteger(seconds)) return;
  const words = 'the signed timestamp is not the sent one: read the clock once and use it for both';
  for (let apart = 1; apart <= clockSecondsMax; apart += 1) {
    yield { other: String(seconds - apart), words: `${words} (it is ${apart} s older)` };
    yield { other: String(seconds + apart), words: `${words} (it is ${apart} s newer)` };
  }
  yield { other: `${timestamp}000`, words: 'the timestamp was signed in milliseconds' };
  yield { other: `${timestamp}.0`, words: 'the timestamp was signed with a fraction' };
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
