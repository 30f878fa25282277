import type { MemoryFolder } from '../secrets/memory-folder.ts';

/** Work in a folder that is removed when it is done, and when the process ends meanwhile. */
export async function withinFolder<T>(folder: MemoryFolder, work: (path: string) => Promise<T>): Promise<T> {
  const clear = (): void => folder.remove();
  process.on('exit', clear);
  try {
    return await work(folder.path);
  } finally {
    clear();
    process.removeListener('exit', clear);
  }
}
