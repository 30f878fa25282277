#!/usr/bin/env node
/**
 * What an installed package brings as its command. Whatever starts it may be no shell: Yarn's Plug'n'Play and npm on Windows
 * give the file of a command to node. It imports nothing of ours before it knows that this Node can read it.
 */
import { fileURLToPath } from 'node:url';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `countersign: needs Node 22.18 or newer, and the node on the PATH is ${process.version}; install a newer one from https://nodejs.org.\n`,
  );
  process.exitCode = 1;
} else if (process.execve === undefined || process.platform === 'win32') {
  // No process can be replaced there.
  void import('./main.ts');
} else {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  // Young objects get 16 MiB: on a large machine Node would take three times as much memory for them, and be no faster.
  const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=16'];
  // The process stays the same, so signals reach the server and not somebody before it.
  process.execve(process.execPath, [process.argv0, ...flags, main, ...process.argv.slice(2)], process.env);
}
