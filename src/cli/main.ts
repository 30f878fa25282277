import { terminalOutput } from './output.ts';
import { run } from './run.ts';

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

process.exitCode = await run(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  out: terminalOutput(process.stdout, process.stderr),
  stdin: { isTerminal: process.stdin.isTTY === true, read: () => readAll(process.stdin) },
});
