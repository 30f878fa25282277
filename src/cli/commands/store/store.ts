import type { SchemaState, SchemaStep } from '../../../core/store.ts';
import { schemaScript } from '../../../stores/postgres/script.ts';
import type { Invocation } from '../../command.ts';
import { EXIT } from '../../failure.ts';
import { atStore } from '../../workplace.ts';

export async function storeStatus(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atStore(invocation, async ({ store }) => {
    const schema = await store.schema();
    // Where nothing was made yet, asking would make a file.
    if (schema.made) await store.ping();
    const warnings = await store.warnings();
    if (invocation.json) out.json({ kind: store.kind, reachable: true, ...schema, warnings });
    else {
      const row = (name: string, text: string): void => out.line(`${out.paint('dim', name.padEnd(7))}  ${text}`);
      row('store', `${store.kind}, reachable`);
      row('schema', schemaWords(schema));
      for (const step of schema.missing) row('missing', stepWords(step));
      if (schema.adopts !== null) row('tokens', `${schema.adopts} of a table auth_tokens that is there already`);
      for (const text of warnings) row('wanting', out.paint('yellow', text));
      if (schema.missing.length > 0) out.talk('Bring it up to date: countersign store migrate');
    }
    return schema.missing.length === 0 && warnings.length === 0 ? EXIT.done : EXIT.refused;
  });
}

export async function storeMigrate(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  return atStore(invocation, async ({ store, record }) => {
    const before = await store.schema();
    const steps = dryRun ? before.missing : await store.migrate();
    if (!dryRun && steps.length > 0)
      await record({
        type: 'store.migrated',
        subject: store.kind,
        detail: { steps: steps.map(({ version }) => version) },
      });
    const adopted = steps.length > 0 ? before.adopts : null;
    if (invocation.json) out.json({ kind: store.kind, steps, adopted, dry_run: dryRun });
    else {
      const would = dryRun ? 'would take  ' : '';
      for (const step of steps) out.line(`${would}${stepWords(step)}`);
      if (adopted !== null)
        out.line(`${dryRun ? 'would take over' : 'took over'}  ${adopted} session tokens of auth_tokens`);
      if (steps.length === 0) out.talk(`The schema of the ${store.kind} store is up to date: nothing to do.`);
    }
    return EXIT.done;
  });
}

export async function storeSql({ out, json }: Invocation): Promise<number> {
  const sql = schemaScript();
  if (json) out.json({ sql });
  else out.line(sql.trimEnd());
  return EXIT.done;
}

function schemaWords({ made, missing }: SchemaState): string {
  if (missing.length === 0) return 'up to date';
  return made ? 'made by an older version' : 'not made yet';
}

function stepWords({ version, name }: SchemaStep): string {
  return `${version}  ${name}`;
}
