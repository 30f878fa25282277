import { Scalar } from 'yaml';
import { SecretsError } from '../secrets-error.ts';

export type LeafType = 'str' | 'int' | 'float' | 'bool' | 'bytes' | 'time';

/** A value of the document as SOPS authenticates and encrypts it: its type beside the bytes of its one canonical form. */
export interface Leaf {
  readonly type: LeafType;
  readonly bytes: Buffer;
}

const nulls = /^(?:|~|null|Null|NULL)$/;
const bools = /^(?:true|True|TRUE|false|False|FALSE)$/;
const decimal = /^[-+]?(?:0|[1-9][0-9]*)$/;
const based = /^0(?:o[0-7]+|x[0-9A-Fa-f]+)$/;
const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const infinite = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
/** As Go writes a time, so that the bytes are the same whoever reads it. */
const time =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*[1-9])?(?:Z|[-+](?!00:00)[0-9]{2}:[0-9]{2})$/;
/** What the YAML parser of the sops program takes for a number or a time, and others for text: 1_000, 010, 0b1, 2001-01-01. */
const disputed =
  /^(?:[-+]?[0-9][0-9_]*_[0-9_.eE+-]*|[-+]?0[0-9]+|[-+]?0b[01_]+|[-+]0[xo][0-9A-Fa-f_]+|0[xo][0-9A-Fa-f_]*_[0-9A-Fa-f_]*|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?)$/;
const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/** Null for null, which is neither encrypted nor authenticated. `name` says which value is meant in an error. */
export function leafOf(scalar: Scalar, name: string): Leaf | null {
  const { value, tag } = scalar;
  if (value instanceof Uint8Array) return { type: 'bytes', bytes: Buffer.from(value) };
  if (tag !== undefined && tag !== 'tag:yaml.org,2002:str')
    throw new SecretsError('bundle_invalid', `${name} has the tag ${tag}, which SOPS does not keep`);
  const plain = scalar.type === 'PLAIN' || scalar.type === undefined;
  if (!plain || tag === 'tag:yaml.org,2002:str') return text(String(value));
  return plainLeaf(scalar.source ?? (value === null ? '' : String(value)), name);
}

function plainLeaf(source: string, name: string): Leaf | null {
  if (nulls.test(source)) return null;
  if (bools.test(source)) return boolean(source);
  if (decimal.test(source) || based.test(source)) return integer(source, name);
  if (time.test(source)) return { type: 'time', bytes: Buffer.from(source) };
  if (disputed.test(source))
    throw new SecretsError('bundle_invalid', `${name}: programs disagree about what this value is; put it in quotes`);
  if (float.test(source) || infinite.test(source)) return { type: 'float', bytes: Buffer.from(floatText(source)) };
  return text(source);
}

function text(value: string): Leaf {
  return { type: 'str', bytes: Buffer.from(value) };
}

function boolean(source: string): Leaf {
  return { type: 'bool', bytes: Buffer.from(/^t/i.test(source) ? 'True' : 'False') };
}

function integer(source: string, name: string): Leaf {
  const value = BigInt(source.replace(/^\+/, ''));
  if (!fitsInt64(value))
    throw new SecretsError('bundle_invalid', `${name}: an integer of more than 64 bits must be in quotes`);
  return { type: 'int', bytes: Buffer.from(String(value)) };
}

function fitsInt64(value: bigint): boolean {
  return value >= int64.min && value <= int64.max;
}

function floatText(source: string): string {
  if (/nan/i.test(source)) return 'NaN';
  if (/inf/i.test(source)) return source.startsWith('-') ? '-Inf' : '+Inf';
  const value = Number(source);
  return Object.is(value, -0) ? '-0' : withoutExponent(String(value));
}

/** The shortest digits that give the number back, without an exponent: 1e+21 is 1000000000000000000000. */
function withoutExponent(number: string): string {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?e([-+][0-9]+)$/.exec(number);
  if (!match) return number;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return (
    sign + (point >= digits.length ? digits.padEnd(point, '0') : `${digits.slice(0, point)}.${digits.slice(point)}`)
  );
}

/** What each type is written like. */
const forms: Readonly<Record<LeafType, RegExp>> = {
  str: /^/,
  bytes: /^/,
  int: /^-?[0-9]{1,19}$/,
  float: /^(?:-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|[-+]Inf|NaN)$/,
  bool: /^(?:[Tt]rue|[Ff]alse)$/,
  time,
};

/**
 * What was decrypted, as SOPS reads it and puts it under the MAC: the type of a sealed value is not authenticated, and 007, said to
 * be an integer, is another value. A text that cannot be of the type is not repeated.
 */
export function openedLeaf(type: LeafType, bytes: Buffer, name: string): Leaf {
  if (type === 'str' || type === 'bytes') return { type, bytes };
  const written = utf8(bytes, name);
  if (!forms[type].test(written) || (type === 'int' && !fitsInt64(BigInt(written))))
    throw new SecretsError('bundle_changed', `${name} is said to be of type ${type}, and its value is not`);
  if (type === 'int') return { type, bytes: Buffer.from(String(BigInt(written))) };
  if (type === 'float') return { type, bytes: Buffer.from(floatText(written)) };
  return type === 'bool' ? boolean(written) : { type, bytes };
}

/** Turns the scalar into the leaf, in a form that reads back as the same leaf in every YAML parser. */
export function setLeaf(scalar: Scalar, leaf: Leaf, name: string): void {
  delete scalar.tag;
  delete scalar.type;
  delete scalar.source;
  delete scalar.format;
  if (leaf.type === 'bytes') {
    scalar.value = leaf.bytes;
    scalar.tag = 'tag:yaml.org,2002:binary';
    return;
  }
  const written = utf8(leaf.bytes, name);
  if (leaf.type === 'str') {
    scalar.value = written;
    if (!readsAsText(written)) scalar.type = Scalar.QUOTE_DOUBLE;
  } else if (leaf.type === 'time') {
    scalar.value = written;
    scalar.source = written;
    scalar.type = Scalar.PLAIN;
  } else if (leaf.type === 'bool') scalar.value = /^t/i.test(written);
  else if (leaf.type === 'int') scalar.value = BigInt(written);
  else {
    scalar.value = numberOf(written);
    // 15 would read back as an integer.
    scalar.minFractionDigits = 1;
    scalar.source = Number.isInteger(scalar.value) ? `${written}.0` : goSpelling(written);
  }
}

/** A text in the clear, where no reader may take it for anything else. */
function readsAsText(written: string): boolean {
  try {
    return plainLeaf(written, '')?.type === 'str';
  } catch {
    return false;
  }
}

function numberOf(written: string): number {
  return written === '+Inf' ? Infinity : written === '-Inf' ? -Infinity : Number(written);
}

function goSpelling(written: string): string {
  return { '+Inf': '.inf', '-Inf': '-.inf', NaN: '.nan' }[written] ?? written;
}

export function utf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SecretsError('bundle_invalid', `${name} is not UTF-8 text`);
  }
}
