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

export function watchdog(onWarning: (text: string) => void): Watchdog {
  const groups = new Set<number>();
  let shell: ChildProcess | null = null;
  let closed = false;

  function started(): ChildProcess {
    const child = spawn('/bin/sh', ['-c', script], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      cwd: '/',
    });
    child.stdin?.on('error', () => undefined);
    child.on('error', (error) => onWarning(`the watchdog of MCP servers cannot be started: ${error.message}`));
    child.on('exit', () => {
      if (shell !== child) return;
      shell = null;
      if (!closed && groups.size > 0) shell = started();
    });
    // It must not keep this process from ending; that is when it has work to do.
    child.unref();
    if (child.stdin && 'unref' in child.stdin) (child.stdin as unknown as { unref(): void }).unref();
    for (const group of groups) child.stdin?.write(`+${group}\n`);
    return child;
  }

  return {
    watch(group) {
      groups.add(group);
      if (shell) shell.stdin?.write(`+${group}\n`);
      else shell = started();
    },
    unwatch(group) {
      if (groups.delete(group)) shell?.stdin?.write(`-${group}\n`);
    },
    close() {
      closed = true;
      shell?.stdin?.end();
    },
  };
}
