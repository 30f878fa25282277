import type { Reason } from '../../core/verdict.ts';

/** What to do about refusals of one kind. */
export interface Advice {
  readonly what: string;
  /** To be run as they are, after names in capitals are filled in. */
  readonly commands: readonly string[];
}

/** Of whom and of what; words that callers chose are left out where they could be anything. */
export interface Subject {
  /** The caller's service id as an argument; 'CALLER' where none is known that is fit to be one. */
  readonly name: string;
  /** It showed a key that many hold, which proves no caller. */
  readonly isShared: boolean;
  readonly service: string;
  readonly route: string;
  /** Of a request that was refused so; an id that is fit to be an argument is named. */
  readonly requestId: string;
}

type Adviser = (subject: Subject) => Advice;

const newKey: Adviser = ({ name }) => ({
  what: 'the key that it shows is not known here: give it one of its own',
  commands: [`countersign keys list ${name}`, `countersign keys create ${name} --to FILE`],
});
const look: Adviser = ({ requestId }) => ({ what: 'see the note of each refusal', commands: [tailOf(requestId)] });

const advisers: Partial<Record<Reason, Adviser>> = {
  missing_credentials: ({ name, requestId }) => ({
    what: 'it shows no credential: where it is yours give it a key, or open the path that it asks for, and no more, to everybody with access: public; of a stranger there is nothing to mend',
    commands: [tailOf(requestId), `countersign keys create ${name} --to FILE`, 'countersign learn'],
  }),
  malformed_credentials: ({ requestId }) => ({
    what: 'its credential is not in a form that can be read: docs/credentials.md shows each; the note says what is wrong',
    commands: [tailOf(requestId)],
  }),
  invalid_credentials: newKey,
  unknown_service: ({ name }) => ({
    what: 'no key of that name is known: import the one that it signs with, or make it one',
    commands: [
      `countersign keys import ${name} --kind hs < KEY_FILE`,
      `countersign keys create ${name} --kind hs --to FILE`,
    ],
  }),
  expired: ({ name }) => ({
    what: 'its key has expired: if the caller has a newer one, see that it reads it; else give it one of the same kind, hs where it signs',
    commands: anotherKey(name),
  }),
  revoked: ({ name }) => ({
    what: 'its key was ended by hand, revoked or retired: if the caller has a newer one, see that it reads it; else give it one of the same kind, hs where it signs',
    commands: anotherKey(name),
  }),
  invalid_signature: ({ name }) => ({
    what: 'it signs with another key, or another string, than is expected: an old key, a path without /<service> or with its query, a proxy that rewrites the path',
    commands: [
      `countersign keys list ${name}`,
      `countersign sign --service ${name} --key-file KEY_FILE --explain METHOD URL`,
    ],
  }),
  timestamp_outside_window: () => ({
    what: 'its clock is off: set it by the network on the machine it runs on',
    commands: ['timedatectl set-ntp true', 'chronyc makestep'],
  }),
  replayed: ({ requestId }) => ({
    what: 'it sends the same signature twice: sign each request anew, retries too; with service-signature, replay: off allows it',
    commands: [tailOf(requestId)],
  }),
  not_allowed: ({ name, isShared, service, route, requestId }) =>
    isShared
      ? {
          what: `it shows a key that many hold, which says nothing of who calls, and ${routeWords(service, route)} is for callers by name: give each a key of its own, in place of the shared one, and add it to the callers of that route`,
          commands: [`countersign keys create ${name} --to FILE`, 'countersign validate'],
        }
      : {
          what: `it is not among those for whom ${routeWords(service, route)} is, or asks with a method or an origin that is not: the note says which; if it may, add ${name} to its callers, or what it asks with`,
          commands: [tailOf(requestId), 'countersign validate', 'countersign simulate --since 24h'],
        },
  insufficient_scope: ({ name }) => ({
    what: 'its credential lacks a scope that the route asks for: give it one that has it',
    commands: [`countersign keys create ${name} --scope SCOPE --to FILE`],
  }),
  address_not_allowed: ({ name }) => ({
    what: 'it calls from an address that neither the route nor its credential allows: mend allowedIps of the route, or the key',
    commands: [`countersign keys list ${name}`],
  }),
  rate_limited: ({ service, route }) => ({
    what: `it calls more often than rateLimit of ${routeWords(service, route)} allows: raise it, or have the caller wait for Retry-After`,
    commands: ['countersign validate'],
  }),
  unavailable: () => ({
    what: 'the store could not be asked: see that it is reachable, and what onStoreOutage says',
    commands: ['countersign status'],
  }),
};

export function adviceFor(reason: string, subject: Subject): Advice {
  return (advisers[reason as Reason] ?? look)(subject);
}

/** Of one that has ended there is nothing to rotate. */
function anotherKey(name: string): readonly string[] {
  return [`countersign keys list ${name} --all`, `countersign keys create ${name} --kind KIND --to FILE`];
}

/** The line of one refusal, with its note. */
function tailOf(requestId: string): string {
  const named = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(requestId);
  return `countersign audit tail ${named ? `--request ${requestId}` : '-n 50'}`;
}

/** As the gateway is asked for it; the unruled paths of a service are '/embeddings/*'. */
export function routeWords(service: string, route: string): string {
  if (service === '') return '(no such service)';
  return `/${service}${route === '*' ? '/*' : route}`;
}

/** The service id in 'service:aidb' or 'service:aidb?', when it is fit to stand in a command. */
export function callerName(caller: string): string {
  return /^service:([A-Za-z0-9][A-Za-z0-9._-]{0,127})\??$/.exec(caller)?.[1] ?? 'CALLER';
}
