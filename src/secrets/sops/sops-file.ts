import type { Document } from 'yaml';
import { rfc3339 } from '../../core/clock.ts';
import { randomSecret } from '../../crypto/random.ts';
import { decryptWith, encryptFor } from '../age.ts';
import { SecretsError } from '../secrets-error.ts';
import { decryptDocuments, encryptDocuments, SealedValues, type Scheme } from './crypt.ts';
import { indentOf, parseDocuments, printDocuments, type Form } from './document.ts';
import {
  checkMac,
  newMetadata,
  otherHoldersOf,
  putMetadata,
  setMac,
  setStanzas,
  stanzasOf,
  takeMetadata,
  type Metadata,
} from './metadata.ts';
import { ruleFrom, type Rule } from './rule.ts';

/** A SOPS file, opened: its MAC is right. */
export interface SopsFile {
  readonly form: Form;
  readonly rule: Rule;
  /** Whoever can open it with age: 'age1…'. */
  readonly recipients: readonly string[];
  /** Kinds of other key holders: 'pgp', 'kms'. */
  readonly otherHolders: readonly string[];
  /** The values in the clear; what is changed here is written by `text`. */
  documents: readonly Document[];
  /** The whole as it is to be read in the clear. */
  plainText(): string;
  /** As a new text of the file. What did not change keeps its encrypted bytes. `now` is epoch seconds. */
  text(now: number): string;
  /** A new data key, for these recipients and nobody else; every value is encrypted anew. */
  rekey(recipients: readonly string[]): Promise<void>;
}

const dataKeyLength = 32;

export async function openSopsFile(text: string, form: Form, identities: readonly string[]): Promise<SopsFile> {
  const documents = parseDocuments(text, form);
  const metadata = takeMetadata(documents);
  const scheme = schemeOf(metadata);
  const dataKey = await dataKeyOf(metadata, identities);
  const sealed = new SealedValues();
  const mac = decryptDocuments(documents, scheme, dataKey, sealed);
  checkMac(metadata, mac, dataKey);
  return sopsFile({ form, documents, metadata, scheme, dataKey, sealed, indent: indentOf(text) });
}

/** A file without values yet. */
export async function newSopsFile(form: Form, rule: Rule, recipients: readonly string[]): Promise<SopsFile> {
  const documents = parseDocuments('{}', form);
  const metadata = newMetadata(documents[0] as Document, rule);
  const dataKey = randomSecret(dataKeyLength);
  const scheme = schemeOf(metadata);
  const file = sopsFile({ form, documents, metadata, scheme, dataKey, sealed: new SealedValues(), indent: 4 });
  await file.rekey(recipients);
  return file;
}

interface Opened {
  readonly form: Form;
  readonly documents: readonly Document[];
  readonly metadata: Metadata;
  readonly scheme: Scheme;
  readonly dataKey: Uint8Array;
  readonly sealed: SealedValues;
  readonly indent: number;
}

function sopsFile(opened: Opened): SopsFile {
  const { form, metadata, scheme, indent } = opened;
  let { documents, dataKey, sealed } = opened;
  let recipients = stanzasOf(metadata).map(({ recipient }) => recipient);
  return {
    form,
    rule: scheme.rule,
    otherHolders: otherHoldersOf(metadata),
    get recipients() {
      return recipients;
    },
    get documents() {
      return documents;
    },
    set documents(next) {
      documents = next;
    },
    plainText: () => printDocuments(documents, form, indent),
    text(now) {
      const copies = documents.map((document) => document.clone());
      const encrypted = encryptDocuments(copies, scheme, dataKey, sealed);
      sealed = encrypted.sealed;
      const lastModified = rfc3339(now);
      setMac(metadata, { mac: encrypted.mac, dataKey, lastModified });
      putMetadata(copies, metadata);
      return printDocuments(copies, form, indent);
    },
    async rekey(next) {
      const fresh = randomSecret(dataKeyLength);
      const stanzas = [];
      for (const recipient of next) stanzas.push({ recipient, enc: await encryptFor([recipient], fresh) });
      setStanzas(documents[0] as Document, metadata, stanzas);
      dataKey = fresh;
      sealed = new SealedValues();
      recipients = [...next];
    },
  };
}

function schemeOf({ settings }: Metadata): Scheme {
  return { rule: ruleFrom(settings), macOnlyEncrypted: settings['mac_only_encrypted'] === true };
}

async function dataKeyOf(metadata: Metadata, identities: readonly string[]): Promise<Uint8Array> {
  const stanzas = stanzasOf(metadata);
  if (stanzas.length === 0)
    throw new SecretsError(
      'wrong_key',
      'is encrypted for nobody with an age key, so only the sops program can open it',
    );
  for (const { enc } of stanzas) {
    const key = await decryptWith(identities, enc);
    if (key?.length === dataKeyLength) return key;
  }
  const names = stanzas.map(({ recipient }) => recipient).join(', ');
  throw new SecretsError('wrong_key', `is encrypted for ${names}, and none of your age keys is one of them`);
}
