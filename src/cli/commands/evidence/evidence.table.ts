import type { Command } from '../../command.ts';

const service = { type: 'text', value: 'SERVICE', summary: 'only calls of this service' } as const;

/** Commands about what happened, and about one request. */
export const evidenceCommands: readonly Command[] = [
  {
    name: 'report',
    summary: 'what passed, what was refused, and what enforce would refuse',
    about:
      'May this stack be switched to enforce, and if not, what is to be mended first and how; then who calls what, what was refused and why, whose clock is off, which keys end, and what deciding costs. It reads counts that are kept as decisions are recorded, so it is quick however many there were; --since is rounded to a whole minute, and beyond a day to a whole hour. With --check it ends with 1 unless the verdict is "ready to enforce", also where nothing was seen: for a pipeline or a timer. Strangers count in it; of known callers alone simulate --enforce ends with 1.',
    positionals: [],
    options: {
      since: { type: 'text', value: 'DURATION', summary: 'how far back: 30m, 24h, 7d (default: 24h)' },
      service,
      format: {
        type: 'text',
        value: 'FORM',
        summary: 'text, markdown, json or html, a page of its own (default: text)',
      },
      out: { type: 'text', value: 'FILE', summary: 'write it there, readable by you only' },
      check: { type: 'flag', summary: 'exit 1 unless it says that all is ready to enforce' },
    },
    changes: false,
    examples: [
      'countersign report --since 1h',
      'countersign report --since 7d --output json',
      'countersign report --format html --out report.html',
      'countersign report --since 7d --check --output json',
    ],
    load: async () => (await import('./report.ts')).report,
  },
  {
    name: 'learn',
    summary: 'propose routes and callers from what was recorded',
    about:
      'Shows a diff of the configuration in which each route is given the callers that used it, with the evidence above each line. Only callers that were proven and allowed teach anything, and only what was asked for often enough and at several times; so a proposal only ever narrows who may call. What looks public is shown as a comment, since strangers alone say so. --apply writes the file and keeps the old one beside it. Nothing takes effect but by the file: look at it with simulate first.',
    positionals: [],
    options: {
      since: { type: 'text', value: 'DURATION', summary: 'how far back: 30m, 24h, 7d (default: 7d)' },
      'min-requests': {
        type: 'text',
        value: 'COUNT',
        summary: 'what was asked for less often teaches nothing (default: 10)',
      },
      'min-times': { type: 'text', value: 'COUNT', summary: 'in at least so many different minutes (default: 3)' },
      apply: { type: 'flag', summary: 'write the configuration; the old one stays as FILE.before-learn-TIME' },
    },
    changes: true,
    examples: ['countersign learn --since 7d', 'countersign learn > routes.diff', 'countersign learn --apply'],
    load: async () => (await import('./learn.ts')).learn,
  },
  {
    name: 'simulate',
    summary: 'what another configuration would have refused or allowed',
    about:
      'Judges the requests that were recorded anew, with the routes, callers, scopes, addresses, accepted schemes and modes of another configuration, and shows what comes out otherwise: by caller and route. Who the caller was is taken from the record; signatures, clocks, bodies and rate limits cannot be checked again. Modes that were set at run time count here too; with --enforce every route is judged as if it were enforced. Exit 1 when a known caller would newly be refused.',
    positionals: [],
    options: {
      against: { type: 'text', value: 'FILE', summary: 'the other configuration (default: the one in use)' },
      since: { type: 'text', value: 'DURATION', summary: 'how far back: 30m, 24h, 7d (default: 7d)' },
      enforce: { type: 'flag', summary: 'as if every route were in mode enforce' },
    },
    changes: false,
    examples: ['countersign simulate --against new.yaml --since 7d', 'countersign simulate --enforce --since 24h'],
    load: async () => (await import('./simulate.ts')).simulate,
  },
  {
    name: 'sign',
    summary: 'the headers of a signature for one request, and why one is refused',
    about:
      'Prints X-Service-ID, X-Service-Signature and X-Service-Timestamp for METHOD and URL; put them on the request within the window (5 minutes). With --scheme http-signature: Signature-Input, Signature and, for --body-file, Content-Digest, good for one request within a minute; URL is then the whole one, since the host is signed too. The key is read from --key-file or standard input. --explain shows the exact string that is signed. --send asks the gateway first what would become of the request, sends it unless it would be refused, and on a refusal names the first difference between what was signed and what the server saw; so a wrong signature is told of in mode report too, with exit 1. Where the store of the configuration can be written, that question counts as no refusal of anybody: no ramp goes back for it. --received does so for a request that somebody else signed, with the keys of the store and of key files. The path is signed as it stands on the request line, behind the gateway with /<service> before it; the query only by http-signature.',
    positionals: [
      { name: 'METHOD', required: false, summary: 'GET, POST, …' },
      { name: 'URL', required: false, summary: 'the whole URL; for a service signature the path will do' },
    ],
    options: {
      service: {
        type: 'text',
        value: 'ID',
        summary: 'the service id to sign as (default: $SERVICE_ID, else that of the .env)',
      },
      scheme: { type: 'text', value: 'SCHEME', summary: 'service-signature (default) or http-signature' },
      'key-file': {
        type: 'text',
        value: 'FILE',
        summary: 'where its key is: the key alone, a .env with SERVICE_KEY=, or an Ed25519 key in PEM form',
      },
      keyid: {
        type: 'text',
        value: 'ID',
        summary: 'with http-signature: the id of the key (default: the service id, by which it is known too)',
      },
      'body-file': { type: 'text', value: 'FILE', summary: 'with http-signature: the exact bytes of the body' },
      timestamp: { type: 'text', value: 'SECONDS', summary: 'sign for this time, in Unix seconds (default: now)' },
      explain: { type: 'flag', summary: 'show the exact string that is signed, piece by piece' },
      send: { type: 'flag', summary: 'send it, and say what came back' },
      received: {
        type: 'text',
        value: 'FILE',
        summary: 'instead of METHOD and URL: a captured request; says why its signature is refused',
      },
    },
    changes: false,
    examples: [
      'countersign sign --service aidb --key-file aidb.key GET http://127.0.0.1:8700/embeddings/models',
      'countersign sign --service aidb --key-file aidb.key --explain POST /embeddings/embed',
      'countersign sign --scheme http-signature --key-file aidb.env --body-file embed.json POST http://gateway:8700/embed',
    ],
    load: async () => (await import('./sign.ts')).sign,
  },
  {
    name: 'whoami',
    summary: 'whom a running server takes the holder of a credential for',
    about:
      'The credential, an API key or a session token, is read from standard input or --key-file and asked about at /auth/introspect.',
    positionals: [],
    options: {
      url: { type: 'text', value: 'URL', summary: 'the server (default: `listen` of the configuration)' },
      'key-file': { type: 'text', value: 'FILE', summary: 'where the credential is (default: standard input)' },
    },
    changes: false,
    examples: ['countersign whoami < aidb.key'],
    load: async () => (await import('./whoami.ts')).whoami,
  },
];
