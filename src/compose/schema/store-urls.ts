import type { StoreConfig } from '../config.ts';

/** What is wrong with an address, without its value, which may hold a password; and what to write instead. */
export type UrlFault = readonly [what: string, hint: string];

const storeForms = 'memory, sqlite:FILE, postgres://…, redis://… or supabase:https://…';

/** `file` of a SQLite store is as written; the caller makes it absolute. Null where `storeFault` has something to say. */
export function storeConfig(text: string): StoreConfig | null {
  return storeFault(text) === null ? configOf(text) : null;
}

export function storeFault(text: string): UrlFault | null {
  if (/^rediss?:/.test(text)) return redisFault(text);
  if (/^postgres(?:ql)?:/.test(text) && endsInPassword(text)) return passwordFault('Postgres');
  const config = configOf(text);
  switch (config?.kind) {
    case undefined:
      return ['the store is of no known form', `write ${storeForms}`];
    case 'sqlite':
      return sqliteFault(config.file);
    case 'postgres':
      return postgresFault(config.url);
    case 'supabase':
      return supabaseFault(config.url);
    default:
      return null;
  }
}

function configOf(text: string): StoreConfig | null {
  if (text === 'memory:' || text === 'memory') return { kind: 'memory' };
  if (text.startsWith('sqlite:')) {
    const file = text.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '');
    return file === '' || file.includes('\0') ? null : { kind: 'sqlite', file };
  }
  if (/^postgres(?:ql)?:\/\//.test(text)) return URL.canParse(text) ? { kind: 'postgres', url: text } : null;
  if (/^rediss?:\/\//.test(text)) return URL.canParse(text) ? { kind: 'redis', url: text } : null;
  if (/^supabase:https?:\/\//.test(text)) {
    const url = text.slice('supabase:'.length);
    // The key stands in SUPABASE_KEY, and never in an address.
    return URL.canParse(url) && new URL(url).username === '' ? { kind: 'supabase', url } : null;
  }
  return null;
}

/**
 * Whether a sign in the password ends the part of the address in which it stands: what is left of it would be taken for the host, the
 * database or a setting, and be named in messages as such.
 */
function endsInPassword(text: string): boolean {
  if (!URL.canParse(text)) return text.includes('@');
  const { pathname, search, hash } = new URL(text);
  return pathname.includes('@') || hash.includes('@') || /^[^=]*@/.test(search);
}

function passwordFault(engine: string): UrlFault {
  return [
    `the password in the address of ${engine} has a sign that means something else in an address`,
    'in the password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25',
  ];
}

/**
 * What stands behind the host is the number of a database; its client takes anything else for 0, which may be another stack's. What
 * stands behind a question mark it takes for settings of its own, over ours, and `db` for a database of which our feed knows nothing.
 */
export function redisFault(text: string): UrlFault | null {
  const hint = 'write redis://127.0.0.1:6379/0, with the number of the database';
  if (endsInPassword(text)) return passwordFault('Redis');
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return ['the address of Redis is of no known form', hint];
  const { pathname, searchParams, search, hash } = new URL(text);
  if (searchParams.has('db'))
    return [
      'the address of Redis has the number of its database behind a question mark',
      'write it behind the address: redis://127.0.0.1:6379/5',
    ];
  if (search !== '' || hash !== '')
    return ['the address of Redis has something behind its database, which means nothing here', hint];
  return /^(?:\/[0-9]{0,9})?$/.test(pathname) ? null : ['the address of Redis is of no known form', hint];
}

/** Other programs' addresses of SQLite have settings; here it would be the name of another, empty file. */
function sqliteFault(file: string): UrlFault | null {
  if (!/\?\w+=/.test(file)) return null;
  return ['the SQLite file has settings behind a question mark, which means nothing here', 'write sqlite:FILE'];
}

function supabaseFault(url: string): UrlFault | null {
  const { search, hash } = new URL(url);
  if (search === '' && hash === '') return null;
  return [
    'the address of Supabase has something behind a question mark or #',
    'write supabase:https://PROJECT.supabase.co',
  ];
}

const tlsSettings = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'];
const database = 'write its name behind the address: postgres://USER@HOST:5432/NAME';
const schema = 'write ?options=-c%20search_path%3DNAME, or set the search_path of the user';
/** Asked for under a name that the client passes over: another database, or other tables, would be used. */
const passedOver: ReadonlyMap<string, string> = new Map([
  ['db', database],
  ['dbname', database],
  ['database', database],
  ['schema', schema],
  ['currentschema', schema],
  ['search_path', schema],
]);

/** The client passes over what it does not know. What is about encryption, or where the tables are, must not be. */
function postgresFault(url: string): UrlFault | null {
  for (const name of new URL(url).searchParams.keys()) {
    const hint = passedOver.get(name.toLowerCase());
    if (hint !== undefined) return [`the address of Postgres says ${name.toLowerCase()}, which is passed over`, hint];
    if (/^(?:require)?ssl/i.test(name) && !tlsSettings.includes(name))
      return [
        'the address of Postgres asks for encryption in a way that is passed over',
        'write ?sslmode=verify-full, and &sslrootcert=FILE where the authority is your own',
      ];
  }
  return null;
}
