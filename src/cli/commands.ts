import type { Command } from './command.ts';
import { keyCommands } from './commands/keys/keys.table.ts';
import { keyLifeCommands } from './commands/keys/key-life.table.ts';
import { checkCommands } from './commands/check/check.table.ts';
import { passwordCommands } from './commands/passwords/passwords.table.ts';
import { backupCommands } from './commands/backup/backup.table.ts';
import { deployCommands } from './commands/deploy/deploy.table.ts';
import { certificateCommands } from './commands/ca/ca.table.ts';
import { operatorCommands } from './commands/operators/operators.table.ts';
import { modeCommands } from './commands/mode/mode.table.ts';
import { rampCommands } from './commands/ramp/ramp.table.ts';
import { routeCommands } from './commands/routes/routes.table.ts';
import { secretCommands } from './commands/secrets/secrets.table.ts';
import { stackCommands } from './commands/stack/stack.table.ts';
import { auditCommands } from './commands/audit/audit.table.ts';
import { evidenceCommands } from './commands/evidence/evidence.table.ts';
import { storeCommands } from './commands/store/store.table.ts';
import { clientCommands } from './commands/clients/clients.table.ts';
import { oauthCommands } from './commands/oauth/oauth.table.ts';
import { tokenCommands } from './commands/tokens/tokens.table.ts';

/** Every command, in the order in which the help shows them. */
export const COMMANDS: readonly Command[] = [
  ...stackCommands,
  ...modeCommands,
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
