import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { median, type Bench } from '../measure.ts';
import { start, startGateway, type Started } from '../proxies/start.ts';

const warmRounds = 200;
const rounds = 600;

/** How long the first event of a stream takes, through the gateway (an MCP server with rules, so that events are looked into) and without it. */
export default async function streamCases(bench: Bench): Promise<void> {
  if (!bench.wants('streams')) return;
  const upstream = await start('streaming-upstream.ts', []);
  const gateway = await startGateway(upstream.url, tmpdir(), 'plain');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    const ours: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < warmRounds + rounds; round += 1) {
      const through = await firstEvent(gateway, '/streams/first', agent);
      const direct = await firstEvent(upstream, '/first', agent);
      if (round < warmRounds) continue;
      ours.push(through);
      peer.push(direct);
    }
    const [behind, bare] = [median(ours), median(peer)];
    bench.report({
      case: 'streams: the first event, p50',
      unit: 'us',
      ours: behind,
      peer: bare,
      peer_name: 'the upstream itself',
      runs: rounds,
    });
    bench.say(`streams: the gateway adds ${Math.round(behind - bare)} us to the first event at p50`);
  } finally {
    agent.destroy();
    await gateway.stop();
    await upstream.stop();
  }
}

/** Microseconds from the request to the first bytes of the stream. Reads to the end, so that the connection is used again. */
async function firstEvent({ url, key }: Started, path: string, agent: Agent): Promise<number> {
  const headers = { accept: 'text/event-stream', ...(key === null ? {} : { 'x-api-key': key }) };
  const began = performance.now();
  const call = request(url + path, { agent, headers });
  call.end();
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`${path} answered ${answer.statusCode}`);
  // Waited for from now on: it may come with the event.
  const ended = once(answer, 'end');
  await once(answer, 'data');
  const took = (performance.now() - began) * 1000;
  answer.resume();
  await ended;
  return took;
}
