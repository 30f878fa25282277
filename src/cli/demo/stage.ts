import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { refused } from '../failure.ts';
import { children, freePorts, type Server, type Started } from './children.ts';

/** The example stack behind the gateway, in a folder of its own. */
export interface Stage {
  readonly folder: string;
  readonly configFile: string;
  /** http://127.0.0.1:40001, where the gateway answers. */
  readonly gateway: string;
  readonly services: readonly { readonly name: string; readonly url: string; readonly what: string }[];
  /** Runs the real program; throws when it does not end with 0. */
  countersign(args: readonly string[], stdin?: string): Promise<Started>;
  /** Starts the services and the gateway; resolves when all of them answer. */
  raise(): Promise<void>;
  /** Ends everything and removes the folder. */
  close(): Promise<void>;
}

const cast = [
  { name: 'embeddings', port: 8081, what: 'turns text into vectors', file: 'embeddings.ts' },
  {
    name: 'hybrid-coordinator',
    port: 8092,
    what: 'answers as a stream of events, calls embeddings',
    file: 'hybrid-coordinator.ts',
  },
  { name: 'npu-worker', port: 8095, what: 'a queue of jobs, with long polling', file: 'npu-worker.ts' },
  { name: 'browser-service', port: 8094, what: 'a WebSocket', file: 'browser-service.ts' },
  { name: 'everything', port: 3001, what: 'an MCP server, @modelcontextprotocol/server-everything', file: null },
] as const;

const examples = fileURLToPath(new URL('../../../examples/ai-stack/', import.meta.url));
const loopbackOnly = new URL(`./loopback-only${import.meta.url.slice(-3)}`, import.meta.url).href;

export async function prepareStage(): Promise<Stage> {
  const mcpServer = mcpServerFile();
  const program = process.argv[1] ?? '';
  const [main = 0, admin = 0, ...ports] = await freePorts(2 + cast.length);
  const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'));
  const configFile = join(folder, 'countersign.yaml');
  const processes = children(folder);
  const gateway = `http://127.0.0.1:${main}`;
  const services = cast.map(({ name, what }, index) => ({ name, what, url: `http://127.0.0.1:${ports[index]}` }));

  // Copied, since Node does not run TypeScript that lies in a node_modules folder, and the example's own ports may be taken.
  cpSync(examples, folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  let config = readFileSync(join(examples, 'countersign.yaml'), 'utf8').replace('127.0.0.1:8700', `127.0.0.1:${main}`);
  config = config.replace('127.0.0.1:8701', `127.0.0.1:${admin}`);
  for (const [index, { port }] of cast.entries())
    config = config.replace(`http://127.0.0.1:${port}`, `http://127.0.0.1:${ports[index]}`);
  writeFileSync(configFile, config);

  return {
    folder,
    configFile,
    gateway,
    services,
    async countersign(args, stdin) {
      const done = await processes.run([program, ...args, '--config', configFile], stdin);
      if (done.code !== 0)
        throw refused(`countersign ${args.join(' ')} ended with ${done.code}:\n${done.stderr.trim()}`);
      return done;
    },
    async raise() {
      const servers: [Server, string][] = cast.map(({ name, file }, index) => {
        const args = file === null ? ['--import', loopbackOnly, mcpServer, 'streamableHttp'] : [join(folder, file)];
        const own: Record<string, string> =
          name === 'hybrid-coordinator'
            ? { EMBEDDINGS_URL: `${gateway}/embeddings`, EMBEDDINGS_KEY_FILE: 'coordinator.key' }
            : {};
        return [processes.start(name, args, { PORT: String(ports[index]), ...own }), `${services[index]?.url}/health`];
      });
      servers.push([
        processes.start('countersign serve', [program, 'serve', '--config', configFile], {}),
        `${gateway}/health`,
      ]);
      await Promise.all(servers.map(([server, url]) => server.answers(url)));
    },
    async close() {
      await processes.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function mcpServerFile(): string {
  try {
    // Both are for development only, so a published package does not bring them along.
    import.meta.resolve('@modelcontextprotocol/client');
    return fileURLToPath(import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'));
  } catch {
    throw refused(
      'the demonstration needs a real MCP server and client, which are not installed here',
      'In a checkout `npm ci` brings them; elsewhere: npm install @modelcontextprotocol/server-everything @modelcontextprotocol/client',
    );
  }
}
