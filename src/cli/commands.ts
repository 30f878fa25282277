import type { Command } from './command.ts';
import { keyCommands } from './commands/keys.table.ts';
import { keyLifeCommands } from './commands/key-life.table.ts';
import { checkCommands } from './commands/check.table.ts';
import { passwordCommands } from './commands/passwords.table.ts';
import { backupCommands } from './commands/backup.table.ts';
import { deployCommands } from './commands/deploy.table.ts';
import { certificateCommands } from './commands/ca.table.ts';
import { operatorCommands } from './commands/operators.table.ts';
import { rampCommands } from './commands/ramp.table.ts';
import { routeCommands } from './commands/routes.table.ts';
import { secretCommands } from './commands/secrets.table.ts';
import { stackCommands } from './commands/stack.table.ts';
import { auditCommands } from './commands/audit.table.ts';
import { evidenceCommands } from './commands/evidence.table.ts';
import { storeCommands } from './commands/store.table.ts';
import { clientCommands } from './commands/clients.table.ts';
import { oauthCommands } from './commands/oauth.table.ts';
import { tokenCommands } from './commands/tokens.table.ts';

/** Every command, in the order in which the help shows them. */
export const COMMANDS: readonly Command[] = [
  ...stackCommands,
  ...routeCommands,
  ...storeCommands,
  ...keyCommands,
  ...keyLifeCommands,
  ...tokenCommands,
  ...clientCommands,
  ...oauthCommands,
  ...operatorCommands,
  ...secretCommands,
  ...passwordCommands,
  ...certificateCommands,
  ...deployCommands,
  ...backupCommands,
  ...evidenceCommands,
  ...rampCommands,
  ...auditCommands,
  ...checkCommands,
];
