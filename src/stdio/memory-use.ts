import { readdir, readFile } from 'node:fs/promises';

/**
 * Resident memory of each process group, bytes, as /proc has it; those not asked for are left out. Empty where there is no
 * /proc: then nothing is bounded.
 */
export async function memoryUse(groups: ReadonlySet<number>): Promise<ReadonlyMap<number, number>> {
  const use = new Map<number, number>();
  let names: string[];
  try {
    names = await readdir('/proc');
  } catch {
    return use;
  }
  for (const name of names) {
    if (!/^[0-9]+$/.test(name)) continue;
    const group = await groupOf(name);
    if (group === null || !groups.has(group)) continue;
    const status = await content(`/proc/${name}/status`);
    const kibibytes = Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(status)?.[1] ?? 0);
    use.set(group, (use.get(group) ?? 0) + kibibytes * 1024);
  }
  return use;
}

async function groupOf(pid: string): Promise<number | null> {
  const stat = await content(`/proc/${pid}/stat`);
  // The name of the program stands in brackets and may hold anything: state, parent and group come behind it.
  const [, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === undefined ? null : Number(group);
}

/** Empty for a process that has ended by now. */
async function content(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return '';
  }
}
