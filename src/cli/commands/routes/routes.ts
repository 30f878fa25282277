import { ruleOf } from '../../../compose/build/build.ts';
import type { StackConfig } from '../../../compose/config.ts';
import {
  publishedRevision,
  publishRoutes,
  routeSetOf,
  sameRules,
  storedRoutes,
  withdrawRoutes,
  type RouteSet,
} from '../../../compose/build/route-set.ts';
import { rfc3339, systemClock } from '../../../core/clock.ts';
import type { Invocation } from '../../command.ts';
import { commandActor } from '../../command-actor.ts';
import { EXIT, refused } from '../../failure.ts';
import { columns } from '../../output.ts';
import { atWork, readCheckedConfig } from '../../workplace.ts';

const faster = () =>
  refused(
    'somebody else changed the published routes at the same moment',
    'Look at them (countersign routes show) and try again.',
  );

export async function routesPublish(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  // As serve would: a rule that names an unknown caller must not reach every replica.
  const config = await readCheckedConfig(invocation);
  return atWork(invocation, async ({ store, record }) => {
    const now = Math.floor(systemClock());
    const set = routeSetOf(config, commandActor(invocation.env).id, now);
    const expected = await publishedRevision(store.records, now);
    if (!dryRun && !(await publishRoutes(store.records, set, expected))) throw faster();
    const routes = Object.fromEntries([...set.services].map(([name, rules]) => [name, rules.length]));
    if (!dryRun) await record({ type: 'routes.published', subject: '', detail: { routes } });
    if (invocation.json) out.json({ routes, published_at: rfc3339(now), dry_run: dryRun });
    else
      for (const [name, count] of Object.entries(routes))
        out.line(`${dryRun ? 'would publish' : 'published'}  ${name}  ${count} ${count === 1 ? 'route' : 'routes'}`);
    return EXIT.done;
  });
}

export async function routesShow(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [only] = invocation.positionals;
  return atWork(invocation, async ({ config, store }) => {
    if (only !== undefined && !config.services.some(({ name }) => name === only))
      throw refused(`no service "${only}" is configured`);
    const stored = await storedRoutes(store.records, systemClock());
    if (stored === null) {
      if (invocation.json) out.json({ published: null, differs: [] });
      else out.talk('Nothing is published: the file of each replica counts.');
      return EXIT.done;
    }
    const { set } = stored;
    const services = [...set.services].filter(([name]) => only === undefined || name === only);
    const differs = differing(config, set).filter((name) => only === undefined || name === only);
    const published = { published_at: rfc3339(set.publishedAt), published_by: set.publishedBy };
    if (invocation.json) out.json({ published: { ...published, services: Object.fromEntries(services) }, differs });
    else {
      const rows = services.flatMap(([name, routes]) =>
        routes.map((route) => {
          const { path, methods, access = 'any', ...rest } = route;
          return [
            name,
            path,
            methods?.join(' ') ?? '*',
            access,
            Object.keys(rest).length === 0 ? '' : JSON.stringify(rest),
          ];
        }),
      );
      for (const line of columns(['SERVICE', 'PATH', 'METHODS', 'ACCESS', 'MORE'], rows, out)) out.line(line);
      out.talk(`Published ${published.published_at} by ${set.publishedBy}.`);
      for (const name of differs)
        out.talk(out.paintTalk('yellow', `The file has other routes for ${name}; those that are published count.`));
    }
    return differs.length === 0 ? EXIT.done : EXIT.refused;
  });
}

function differing({ services }: StackConfig, set: RouteSet): string[] {
  return services.flatMap(({ name, rules }) => {
    const published = set.services.get(name);
    return published === undefined || sameRules(published.map(ruleOf), rules) ? [] : [name];
  });
}

export async function routesWithdraw(invocation: Invocation): Promise<number> {
  const { out, dryRun } = invocation;
  return atWork(invocation, async ({ store, record }) => {
    const now = systemClock();
    const revision = await publishedRevision(store.records, now);
    if (revision !== null && !dryRun && !(await withdrawRoutes(store.records, revision, now))) throw faster();
    if (revision !== null && !dryRun) await record({ type: 'routes.withdrawn', subject: '' });
    if (invocation.json) out.json({ withdrawn: revision !== null, dry_run: dryRun });
    else if (revision === null) out.talk('Nothing is published.');
    else out.line(`${dryRun ? 'would withdraw' : 'withdrawn'}: the file of each replica counts again`);
    return EXIT.done;
  });
}
