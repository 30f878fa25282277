import { canonicalBase64 } from '../../crypto/base64.ts';

/**
 * The two fields of RFC 9421 as Structured Fields (RFC 9651), read strictly: only the canonical serialisation is accepted, so
 * that the text which was signed and the text which we read are the same bytes. Anything else is a fault, never a guess.
 */
export interface SignatureInput {
  readonly label: string;
  readonly components: readonly Component[];
  readonly parameters: SignatureParameters;
  /** From '(' to the end of the parameters, as received: the value of @signature-params (RFC 9421 §2.3). */
  readonly text: string;
}

export interface Component {
  /** '@method' or a lower-case field name. */
  readonly name: string;
  /** Component parameters as received, with their semicolons: ';req', ';name="Pet"'; '' for none. */
  readonly parameters: string;
  /** What its line in the signature base begins with: '"@method": '. */
  readonly start: string;
}

/** RFC 9421 §2.3; null where absent. */
export interface SignatureParameters {
  readonly created: number | null;
  readonly expires: number | null;
  readonly nonce: string | null;
  readonly keyid: string | null;
  readonly alg: string | null;
  readonly tag: string | null;
}

export class DictionaryFault extends Error {
  readonly code = 'signature_malformed';
}

const bareComponent = /"(@?[a-z0-9!#$%&'*+.^_`|~-]+)"((?:;[a-z*][a-z0-9_.*-]*(?:="(?:[ !#-[\]-~]|\\["\\])*")?)*)/y;
const membersMax = 8;
const componentsMax = 32;
const integerDigitsMax = 15;

/**
 * Component lists that were read before, by their text: callers repeat themselves. Bounded, and begun anew when full: anybody can
 * make lists up, and must not keep the usual ones out for good.
 */
const knownLists = new Map<string, readonly Component[]>();
const knownListsMax = 256;

/** One signature with the parameters that signers of ours send, in their order; no backslash and no wide integer in it. */
const usualLine =
  /^([a-z*][a-z0-9_.*-]*)=(\([^)]*\));created=([1-9][0-9]{0,14});nonce="([ !#-[\]-~]*)";keyid="([ !#-[\]-~]*)";tag="([ !#-[\]-~]*)"$/;

/** What nearly every line is, found by one expression in a third of the time. Null for all others, right or wrong. */
function usualInput(line: string): SignatureInput | null {
  const match = usualLine.exec(line);
  if (match === null) return null;
  const [, label = '', list = '', created, nonce = '', keyid = '', tag = ''] = match;
  const components = knownLists.get(list);
  if (components === undefined) return null;
  const parameters = { created: Number(created), expires: null, nonce, keyid, alg: null, tag };
  return { label, components, parameters, text: line.slice(label.length + 1) };
}

/** Signature-Input as a dictionary of inner lists. Throws a DictionaryFault with an operator's note. */
export function parseSignatureInput(line: string): readonly SignatureInput[] {
  const usual = usualInput(line);
  if (usual !== null) return [usual];
  const found: SignatureInput[] = [];
  const reader = new Reader(line);
  do {
    const label = reader.label();
    if (found.some((input) => input.label === label)) throw new DictionaryFault(`the label "${label}" stands twice`);
    if (found.length === membersMax) throw new DictionaryFault(`more than ${membersMax} signatures`);
    reader.expect('=');
    const from = reader.at;
    const components = readComponents(reader);
    const parameters = readParameters(reader);
    found.push({ label, components, parameters, text: line.slice(from, reader.at) });
  } while (reader.more());
  return found;
}

/**
 * The member of Signature under this label, as base64; undefined when there is none. Where it is the only one it comes as it
 * stands: whether it is canonical (`canonicalBase64`) needs to be asked only of a signature that is not right.
 */
export function signatureUnder(line: string, label: string): string | undefined {
  const begin = label.length + 2;
  const alone = line.startsWith(label) && line.startsWith('=:', label.length);
  if (alone && line.indexOf(':', begin) === line.length - 1) return line.slice(begin, -1);
  return parseSignatures(line).get(label)?.toString('base64');
}

/** Signature as a dictionary of byte sequences. */
export function parseSignatures(line: string): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  const reader = new Reader(line);
  do {
    const label = reader.label();
    if (found.has(label)) throw new DictionaryFault(`the label "${label}" stands twice`);
    if (found.size === membersMax) throw new DictionaryFault(`more than ${membersMax} signatures`);
    reader.expect('=');
    found.set(label, reader.bytes());
  } while (reader.more());
  return found;
}

function readComponents(reader: Reader): readonly Component[] {
  const from = reader.at;
  const close = reader.line.indexOf(')', from) + 1;
  const known = knownLists.get(reader.line.slice(from, close));
  if (known) {
    reader.at = close;
    return known;
  }
  const components = newComponents(reader);
  if (reader.at === close) {
    if (knownLists.size >= knownListsMax) knownLists.clear();
    knownLists.set(reader.line.slice(from, close), components);
  }
  return components;
}

function newComponents(reader: Reader): readonly Component[] {
  const components: Component[] = [];
  reader.expect('(');
  while (!reader.skip(')')) {
    if (components.length > 0) reader.expect(' ');
    if (components.length === componentsMax) throw new DictionaryFault(`more than ${componentsMax} components`);
    const match = reader.match(bareComponent, 'a component name in quotes');
    const component = componentOf(match[1] as string, match[2] as string);
    if (components.some((other) => other.name === component.name && other.parameters === component.parameters))
      throw new DictionaryFault(`the component "${component.name}" stands twice`);
    components.push(component);
  }
  return components;
}

export function componentOf(name: string, parameters = ''): Component {
  return { name, parameters, start: `"${name}"${parameters}: ` };
}

function readParameters(reader: Reader): SignatureParameters {
  let created: number | null = null;
  let expires: number | null = null;
  let nonce: string | null = null;
  let keyid: string | null = null;
  let alg: string | null = null;
  let tag: string | null = null;
  while (reader.skip(';')) {
    const name = reader.label();
    reader.expect('=');
    switch (name) {
      case 'created':
        created = once(name, created, reader.integer());
        break;
      case 'expires':
        expires = once(name, expires, reader.integer());
        break;
      case 'nonce':
        nonce = once(name, nonce, reader.string());
        break;
      case 'keyid':
        keyid = once(name, keyid, reader.string());
        break;
      case 'alg':
        alg = once(name, alg, reader.string());
        break;
      case 'tag':
        tag = once(name, tag, reader.string());
        break;
      default:
        throw new DictionaryFault(`the parameter "${name}" is not one of RFC 9421`);
    }
  }
  return { created, expires, nonce, keyid, alg, tag };
}

function once<Value>(name: string, before: Value | null, value: Value): Value {
  if (before !== null) throw new DictionaryFault(`the parameter "${name}" stands twice`);
  return value;
}

class Reader {
  at = 0;
  readonly line: string;
  constructor(line: string) {
    this.line = line;
  }

  match(pattern: RegExp, wanted: string): RegExpExecArray {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.line);
    if (!match) throw new DictionaryFault(`expected ${wanted} at character ${this.at + 1}`);
    this.at = pattern.lastIndex;
    return match;
  }

  /** key of RFC 9651 §3.1.2: lower-case letters, digits and a few marks, not beginning with a digit. */
  label(): string {
    const from = this.at;
    while (isKeyChar(this.line.charCodeAt(this.at), this.at === from)) this.at += 1;
    if (this.at === from) throw new DictionaryFault(`expected a name at character ${from + 1}`);
    return this.line.slice(from, this.at);
  }

  /** sf-integer of at most fifteen digits, canonical: no sign but a minus, no leading zeros, no fraction. */
  integer(): number {
    const from = this.at;
    if (this.line.charCodeAt(this.at) === 0x2d) this.at += 1;
    const digits = this.at;
    while (isDigit(this.line.charCodeAt(this.at))) this.at += 1;
    const text = this.line.slice(from, this.at);
    const length = this.at - digits;
    const canonical = length === 1 ? text !== '-0' : length > 0 && this.line.charCodeAt(digits) !== 0x30;
    if (!canonical || length > integerDigitsMax || this.line.charCodeAt(this.at) === 0x2e)
      throw new DictionaryFault(`expected a whole number at character ${from + 1}`);
    return Number(text);
  }

  /** sf-string (RFC 9651 §3.3.3): printable ASCII, quote and backslash escaped. */
  string(): string {
    this.expect('"');
    const from = this.at;
    let escaped = false;
    for (;;) {
      const code = this.line.charCodeAt(this.at);
      // NaN, at the end of the line, fails both comparisons.
      if (!(code >= 0x20 && code < 0x7f)) throw new DictionaryFault(`expected a string in quotes at character ${from}`);
      if (code === 0x22) break;
      if (code === 0x5c) {
        const next = this.line.charCodeAt(this.at + 1);
        if (next !== 0x22 && next !== 0x5c)
          throw new DictionaryFault(`a backslash escapes nothing at character ${this.at + 1}`);
        escaped = true;
        this.at += 1;
      }
      this.at += 1;
    }
    const text = this.line.slice(from, this.at);
    this.at += 1;
    return escaped ? text.replace(/\\(.)/g, '$1') : text;
  }

  /** Byte sequence (RFC 9651 §3.3.5). */
  bytes(): Buffer {
    this.expect(':');
    const from = this.at;
    const end = this.line.indexOf(':', from);
    const bytes = end === -1 ? null : canonicalBase64(this.line.slice(from, end));
    if (bytes === null) throw new DictionaryFault(`expected bytes in canonical base64 at character ${from + 1}`);
    this.at = end + 1;
    return bytes;
  }

  skip(char: string): boolean {
    if (this.line[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  expect(char: string): void {
    if (!this.skip(char)) throw new DictionaryFault(`expected "${char}" at character ${this.at + 1}`);
  }

  /** True behind the ', ' of another member; false at the end. */
  more(): boolean {
    if (this.at === this.line.length) return false;
    this.expect(',');
    this.expect(' ');
    return true;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isKeyChar(code: number, first: boolean): boolean {
  if ((code >= 0x61 && code <= 0x7a) || code === 0x2a) return true;
  return !first && (isDigit(code) || code === 0x5f || code === 0x2d || code === 0x2e);
}
