import type { AddressInfo, Server } from 'node:net';

/** What a proxy's process tells the one that started it. */
export interface Announcement {
  readonly port: number;
  /** The API key that it accepts, where it asks for one. */
  readonly key: string | null;
}

/** Listens on a free loopback port, says which, and ends with the process that started this one. */
export function announce(server: Server, key: string | null = null): void {
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.send?.({ port, key } satisfies Announcement);
  });
  process.on('disconnect', () => process.exit(0));
}
