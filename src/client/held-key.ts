import { mintedFault, unpresentable } from '../keys/secret-text.ts';
import { keyFile, type KeyFile } from '../keys/sources/key-file.ts';
import { ClientError } from './client-error.ts';

/** Where a client's key is: in its hands, or in a file that is followed. */
export type KeyPlace =
  | { readonly key: string; readonly keyFile?: undefined }
  | { readonly keyFile: string; readonly key?: undefined };

/** The key that counts now. */
export interface HeldKey {
  read(): string;
  /** Counts up with each other key: of calls that run at once, each can tell whether the key is still the one it used. */
  readonly generation: number;
  /** Looks for another key at once. */
  reread(): void;
}

/** A .env file of a service assigns its key to this name. */
export const serviceKeyVariable = 'SERVICE_KEY';

/** What a key must be, and whether its file may be a .env. */
export interface KeyForm {
  readonly judge: (text: string) => string | null;
  readonly variable: string | null;
}

export const apiKeyForm: KeyForm = {
  judge: (text) => pemFault(text) ?? unpresentable(text) ?? mintedFaultOf(text),
  variable: null,
};

export const hmacForm: KeyForm = {
  judge: (text) => pemFault(text) ?? unpresentable(text) ?? mintedFault(text, 'hs'),
  variable: serviceKeyVariable,
};

export function isPem(text: string): boolean {
  return text.startsWith('-----BEGIN');
}

function pemFault(text: string): string | null {
  return isPem(text) ? "is in PEM form, which the credential of kind 'http-signature' alone signs with" : null;
}

/** A session token goes the same way as an API key. */
function mintedFaultOf(text: string): string | null {
  return text.startsWith('cs_st_') ? null : mintedFault(text, 'sk');
}

/** Throws a ClientError when there is no key that could be used, naming the file that was looked for. */
export function heldKey(place: KeyPlace, { judge, variable }: KeyForm): HeldKey {
  if (place.keyFile === undefined) return fixed(place.key, judge);
  const file = keyFile(place.keyFile, { variable, judge });
  if (file.key() === null) throw faultOf(file);
  return {
    read: () => file.key() ?? fail(file),
    get generation() {
      return file.generation;
    },
    reread: () => file.reread(),
  };
}

function fixed(key: string, judge: KeyForm['judge']): HeldKey {
  if (typeof key !== 'string' || key === '') throw new ClientError('key_missing', 'neither key nor keyFile is given');
  const fault = judge(key);
  if (fault) throw new ClientError('key_unusable', `the key ${fault}`);
  return { read: () => key, generation: 0, reread: () => undefined };
}

function fail(file: KeyFile): never {
  throw faultOf(file);
}

function faultOf({ fault, path }: KeyFile): ClientError {
  if (!fault || fault.missing) return new ClientError('key_missing', `there is no key: ${path} does not exist`);
  return new ClientError('key_unusable', fault.words);
}
