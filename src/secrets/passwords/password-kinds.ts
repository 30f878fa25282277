import { grafanaPassword } from './grafana.ts';
import type { PasswordServer, PasswordTarget } from './password-server.ts';
import { postgresPassword } from './postgres.ts';
import { redisPassword } from './redis.ts';

export interface PasswordKind {
  readonly protocols: readonly string[];
  /** For the help. */
  readonly example: string;
  /** The account of a URL that names none. */
  readonly usualAccount: string;
  server(target: PasswordTarget): PasswordServer;
}

/** Servers whose passwords can be rotated. */
export const passwordKinds: Readonly<Record<string, PasswordKind>> = {
  postgres: {
    protocols: ['postgres:', 'postgresql:'],
    example: 'postgres://aidb@127.0.0.1:5432/aidb',
    usualAccount: 'postgres',
    server: postgresPassword,
  },
  redis: {
    protocols: ['redis:', 'rediss:'],
    example: 'redis://127.0.0.1:6379',
    usualAccount: 'default',
    server: redisPassword,
  },
  grafana: {
    protocols: ['http:', 'https:'],
    example: 'http://admin@127.0.0.1:3000',
    usualAccount: 'admin',
    server: grafanaPassword,
  },
};
