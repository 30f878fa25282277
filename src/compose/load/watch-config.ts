import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { sha256 } from '../../crypto/digest.ts';
import { followFiles } from '../../keys/sources/follow-files.ts';

/**
 * Calls `onChange` when the content of the file is another than before; returns how to stop. The folder is followed, so that
 * editors and Kubernetes, which put a new file in the place of the old one, are seen too. A file that is gone for a moment
 * says nothing.
 */
export function watchConfig(file: string, onChange: () => void, pollMillis = 2000): () => void {
  const path = resolve(file);
  let known = contentOf(path);
  const following = followFiles({
    pattern: path,
    pollMillis,
    onLook() {
      const now = contentOf(path);
      if (now === null || now === known) return;
      known = now;
      onChange();
    },
  });
  following.look();
  return () => following.close();
}

function contentOf(path: string): string | null {
  try {
    return sha256(readFileSync(path)).toString('hex');
  } catch {
    return null;
  }
}
