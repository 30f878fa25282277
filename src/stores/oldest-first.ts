import type { KeyRecord } from '../core/credential.ts';

/** All keys of the pages, each once, oldest first. */
export async function oldestFirst(pages: AsyncIterable<readonly KeyRecord[]>): Promise<KeyRecord[]> {
  const byId = new Map<string, KeyRecord>();
  for await (const page of pages) for (const record of page) byId.set(record.id, record);
  return [...byId.values()].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
}
