import { z } from 'zod';
import { count, duration, file, size } from './schema-words.ts';

const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'write the name of an environment variable: API_TOKEN' });

const secretSource = z
  .strictObject({
    file: file.optional().describe('A file that holds the value; a final line break is not part of it.'),
    env: variable.optional().describe('A variable of the environment of countersign serve.'),
  })
  .meta({ minProperties: 1, maxProperties: 1 });

/** Of a service that is run here. */
export const commandKeys = {
  command: z
    .string({ error: 'write the program alone, and its arguments beside it: command: npx, args: [-y, NAME]' })
    .min(1, { error: 'write the program of the MCP server: command: npx' })
    .optional()
    .describe('In place of upstream: the program of an MCP server that speaks over standard input and output.'),
  args: z
    .array(z.string())
    .optional()
    .describe('Arguments of the command; never secrets, since everybody can see them.'),
  cwd: file.optional().describe('Folder in which the command is run; default that of this file.'),
  env: z
    .record(variable, z.string(), { error: 'write variables below it: env: { LOG_LEVEL: info }' })
    .optional()
    .describe('Environment of the command, besides PATH, HOME and the like; nothing else of ours is passed on.'),
  envFile: file
    .optional()
    .describe(
      'A .env file with variables of the command, read when a process is started; env and secrets overrule it.',
    ),
  secrets: z
    .record(variable, secretSource, {
      error: 'write variables below it: secrets: { API_TOKEN: { file: /run/secrets/api_token } }',
    })
    .optional()
    .describe('Variables of the command whose values are secret, each from a file or a variable.'),
  processes: z
    .strictObject({
      perCaller: count.optional().describe('Processes of one caller at the same time; default 4.'),
      max: count.optional().describe('Processes of all callers together; default 32.'),
      idle: duration.optional().describe('How long a process that nobody uses is kept; default 10m.'),
      memory: size.optional().describe('Resident memory of a process with all that it starts; default 1GiB.'),
    })
    .optional()
    .describe('How many processes of the command there may be, and how large. Each session has one of its own.'),
};
