/**
 * `npm run soak`, its first part: opens 2,000 event streams of an MCP server through the gateway, holds them open together, and
 * fails when one does not come or the gateway's process needs 400 MiB or more.
 */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { start, startGateway, type Started } from './proxies/start.ts';

const streams = Number(process.argv[2] ?? 2000);
const bytesMax = 400 * 1024 * 1024;
const atOnce = 50;
const heldMillis = 5000;

const upstream = await start('streaming-upstream.ts', []);
const gateway = await startGateway(upstream.url, tmpdir(), 'plain', ['--expose-gc']);
try {
  const before = await memory();
  const answers = await opened(gateway);
  const peak = await memory();
  await new Promise((resolve) => setTimeout(resolve, heldMillis));
  const held = await memory();
  const open = answers.filter(({ destroyed }) => !destroyed).length;
  process.stdout.write(`${JSON.stringify({ streams: open, rss: mib(held), peak: mib(peak), before: mib(before) })}\n`);
  for (const answer of answers) answer.destroy();
  process.exitCode = open === streams && Math.max(peak, held) < bytesMax ? 0 : 1;
} finally {
  await gateway.stop();
  await upstream.stop();
}

async function opened({ url, key }: Started): Promise<IncomingMessage[]> {
  const agent = new Agent({ maxSockets: Infinity });
  const headers = { accept: 'text/event-stream', 'x-api-key': key ?? '' };
  const answers: IncomingMessage[] = [];
  async function opener(): Promise<void> {
    for (let left = streams / atOnce; left > 0; left -= 1) {
      const call = request(`${url}/streams/stays`, { agent, headers });
      call.end();
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      await once(answer, 'data');
      answer.on('error', () => undefined).resume();
      answers.push(answer);
    }
  }
  await Promise.all(Array.from({ length: atOnce }, opener));
  return answers;
}

async function memory(): Promise<number> {
  const answer = once(gateway.child, 'message');
  gateway.child.send('memory');
  return ((await answer) as [{ rss: number }])[0].rss;
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
