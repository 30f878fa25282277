import { entriesOf, removeSecret, setSecret, textOf } from '../bundle.ts';
import type { SopsFile } from '../sops/sops-file.ts';
import type { PasswordVault } from './rotate-password.ts';

/** Passwords in a bundle. `save` writes the file; where it throws, the bundle is as it was before. */
export function bundleVault(file: SopsFile, save: () => void): PasswordVault {
  const read: PasswordVault['read'] = (name) => {
    const entry = entriesOf(file).find((each) => each.name === name);
    return entry ? textOf(entry) : null;
  };
  return {
    read,
    write(changes) {
      const before = file.documents;
      file.documents = before.map((document) => document.clone());
      try {
        for (const [name, value] of Object.entries(changes)) {
          if (value !== null) setSecret(file, name, value);
          else if (read(name) !== null) removeSecret(file, name);
        }
        save();
      } catch (error) {
        // Or the next write would keep what this one could not.
        file.documents = before;
        throw error;
      }
    },
  };
}
