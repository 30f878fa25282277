import { spawn, type ChildProcess } from 'node:child_process';

/** Ends the process groups of a gateway that died without a chance to do so itself. */
export interface Watchdog {
  watch(group: number): void;
  unwatch(group: number): void;
  /** Lets go; groups that are still watched are ended. */
  close(): void;
}

/**
 * Reads which groups there are, and ends them when its input does: the kernel closes that pipe however we die. It ignores what
 * a terminal sends, and stands in a group of its own, so that it outlives us.
 */
const script = `trap '' INT TERM HUP QUIT
groups=' '
while IFS= read -r line; do
  case $line in
    +*) groups="$groups\${line#+} ";;
    -*) groups="\${groups%% \${line#-} *} \${groups#* \${line#-} }";;
  esac
done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
[ "$groups" = ' ' ] || sleep 1
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done`;

export interface WatchdogOptions {
  readonly onWarning: (text: string) => void;
  /** '/bin/sh'. */
  readonly shell?: string;
  /** How long nobody watches after the first time that the shell ended, twice as long after the next: 1000 ms. */
  readonly waitMillis?: number;
}

const waitMillisMax = 60_000;
/** A shell that ran for so long did not end because of how it was started. */
const settledMillis = 60_000;

export function watchdog({ onWarning, shell: program = '/bin/sh', waitMillis = 1000 }: WatchdogOptions): Watchdog {
  const groups = new Set<number>();
  let shell: ChildProcess | null = null;
  let waiting: NodeJS.Timeout | null = null;
  let failures = 0;
  let closed = false;

  function start(): void {
    const began = performance.now();
    const child = spawn(program, ['-c', script], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: '/',
    });
    shell = child;
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => ended(child, began, error.message));
    child.on('exit', (code, signal) => ended(child, began, signal ?? `exit ${code}`));
    // It must not keep this process from ending; that is when it has work to do.
    child.unref();
    if (child.stdin && 'unref' in child.stdin) (child.stdin as unknown as { unref(): void }).unref();
    for (const group of groups) child.stdin?.write(`+${group}\n`);
  }

  /** What ends again and again is started ever more seldom. */
  function ended(child: ChildProcess, began: number, how: string): void {
    if (shell !== child) return;
    shell = null;
    if (closed) return;
    failures = performance.now() - began < settledMillis ? failures + 1 : 1;
    const wait = Math.min(waitMillisMax, waitMillis * 2 ** (failures - 1));
    onWarning(`the watchdog of MCP servers ended (${how}); another one is started in ${wait / 1000} s`);
    waiting = setTimeout(() => {
      waiting = null;
      if (groups.size > 0) start();
    }, wait).unref();
  }

  return {
    watch(group) {
      groups.add(group);
      if (shell) shell.stdin?.write(`+${group}\n`);
      else if (waiting === null) start();
    },
    unwatch(group) {
      if (groups.delete(group)) shell?.stdin?.write(`-${group}\n`);
    },
    close() {
      closed = true;
      if (waiting) clearTimeout(waiting);
      shell?.stdin?.end();
    },
  };
}
