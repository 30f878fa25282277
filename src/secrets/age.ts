import { armor, Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { SecretsError } from './secrets-error.ts';

/** What is called an age identity is a private key, 'AGE-SECRET-KEY-1…'; its recipient, 'age1…', is the public half. */
export interface AgeKeyPair {
  readonly identity: string;
  readonly recipient: string;
}

export async function newKeyPair(): Promise<AgeKeyPair> {
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

export function recipientOf(identity: string): Promise<string> {
  return identityToRecipient(identity);
}

/** Null when the text is a recipient that can be encrypted to, else what is wrong. */
export function recipientFault(text: string): string | null {
  if (text.startsWith('AGE-SECRET-KEY-') || text.startsWith('AGE-PLUGIN-'))
    return 'that is a private key; the recipient is its public half, age1…';
  try {
    new Encrypter().addRecipient(text);
    return null;
  } catch {
    return text.startsWith('ssh-')
      ? 'SSH keys are not supported here; make an age key for that person'
      : 'a recipient is written age1…, as `secrets init` and `age-keygen -y` print it';
  }
}

/** In armour, as SOPS keeps it. Throws a SecretsError that names whom nothing can be encrypted for. */
export async function encryptFor(recipients: readonly string[], plain: Uint8Array): Promise<string> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    const fault = recipientFault(recipient);
    // A private key that stands in its place is not shown.
    const named = recipient.startsWith('age1') || recipient.startsWith('ssh-') ? recipient : 'one of those named';
    if (fault !== null) throw new SecretsError('wrong_key', `${named} is no recipient: ${fault}`);
    encrypter.addRecipient(recipient);
  }
  return armor.encode(await encrypter.encrypt(plain));
}

/** Null when none of the identities opens it, or it is no age file. */
export async function decryptWith(identities: readonly string[], armoured: string): Promise<Uint8Array | null> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decrypt(armor.decode(armoured));
  } catch {
    return null;
  }
}
