const secretName =
  /(?:pass(?:word|wd|phrase)?|_pwd|secret|token|api_?keys?|private_?key|access_?key|secret_?key(?:_base)?|service_?key|signing_?key|master_?key|encryption_?key|salt_?key|requirepass)$/;

/** Names that end like a secret's and hold the name of one, or something about it. */
const aboutSecrets =
  /(?:^|_)(?:existing|pull|secret_?name|tls_secret$|(?:user|username|password)_secret_key$|from_secret$|public|bypass|compass|challenge_)/;
/** What is done with passwords, and rules about them: reset-password, no-hardcoded-password. */
const deed = /(?:^|_)(?:reset|update|change|forgot|confirm|no)_(?:.*_)?password$/;
/** What language models call a token, a mark in a text, and what programs do that answer page by page. */
const mark = /(?:^|_)(?:bos|eos|pad|unk|sep|cls|mask|image|audio|video|input|output|next|page)_token$/;
/** Written so usually the name of one, or of its key, as Kubernetes has it. */
const bareWord = /^(?:secret|secretKey|token)$/;

/** Whether a setting of this name holds a secret: POSTGRES_PASSWORD, admin_password, aidbApiKey. */
function isSecretName(name: string): boolean {
  // Names of annotations, packages and paths have a slash, names of settings do not.
  if (name.includes('/')) return false;
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[.-]/g, '_')
    .toLowerCase();
  return secretName.test(words) && ![aboutSecrets, deed, mark].some((other) => other.test(words));
}

const guessed = new Set(
  'admin administrator password passwd pass secret root toor test testing guest default user demo dev postgres redis grafana minio minioadmin rabbitmq mysql mongo letmein qwerty welcome master changeit token key apikey 123 1234 12345 123456 12345678 123456789 password1 password123 admin123 secret123 postgrespassword abc123 foobared sk-1234 prom-operator'.split(
    ' ',
  ),
);

/** my-secret-password: nothing but words that say what belongs there. */
const saysWhatItIs =
  /^(?:my|your|the|some|super|ultra|very|strong|secret|password|passwd|pass|key|token|api|db|user|root|admin|here|[-_ ])+$/;

/** What everybody tries first: the default of a program, or what an example said to replace. */
export function isGuessable(value: string): boolean {
  const text = value.toLowerCase();
  if (guessed.has(text) || saysWhatItIs.test(text) || text.length < 6) return true;
  return (
    /change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|this)|placeholder|in[-_]production|^your(?:[-_ ]|.*(?:token|key|secret|password)$)|^todo|^insert[-_ ]|example/.test(
      text,
    ) ||
    /^<.*>$/.test(text) ||
    /^(.)\1+$/.test(text)
  );
}

/** How files say where a secret is to be had: a variable, a template, a store of secrets, a file, another place in the document. */
const reference =
  /^(?:\$+[\w({]|=?\{\{|[{[].*[\]}]$|%\(|<%|os\.environ\/|env[:.]|ENC\[|[.~]?\/|#\/|file:|vault:|op:\/\/|ref\+|arn:)/;
const keyFile = /^[\w.-]+(?:\/[\w.-]+)*\.(?:pem|key|crt|p12|pfx|jks|age|txt)$/;
/** Digests are kept so that the secret is not. */
const digest = /^(?:\$\$?(?:2[aby]?|5|6|apr1|argon2\w*|scrypt)\$|SCRAM-SHA-256\$|sha256:|\{SHA)/;
/** A type, a switch, a right, an account that is locked, and a secret that was blotted out before it was written down. */
const noSecret = /^(?:true|false|null|none|~|yes|no|off|on|read|write|string|number|boolean|object|[*!]+)$/i;

/** The secret that a setting's text holds; null where it holds none but says where it is to be had. */
function secretIn(value: string): string | null {
  const text = value.trim();
  // A shell's and Compose's ${NAME:-default} is the default wherever nobody says otherwise.
  const fallback = /^\$\{\w+:?-(.*)\}$/.exec(text);
  if (fallback) return secretIn(fallback[1] ?? '');
  if (text === '' || noSecret.test(text) || reference.test(text) || digest.test(text) || keyFile.test(text))
    return null;
  // An address, whose password is looked for by itself.
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? null : text;
}

/** What a client sends to a server that asks for no key, since it must send one. */
const noKey = /^(?:sk-)?(?:empty|dummy|fake|unused|ollama|lm-?studio|no[-_]?key.*|not[-_]?(?:needed|required|used))$/i;
/** How many tokens, what one costs, or how long one lives: 4096, 6e-7, 1h, 30 minutes. */
const lifeOrCount = /^[\d.]+(?:e-?\d+)?(?:ms|[smhdwy]| ?(?:second|minute|hour|day|week|month|year).*)?$/i;
/** As programs make them, so that nobody would name a thing like that. */
const madeByMachine = /^(?=(?:\D*\d){4})[\w+/=.]{24,}$/;

/** AIDB_KEY: an environment's variable that ends so holds a secret as often as the name of a thing, and only its value tells. */
const keyVariable = /^[A-Z][A-Z0-9_]*_KEY$/;
const noSecretKey = /(?:^|_)(?:PUBLIC|PUBLISHABLE|ANON|SITE|HOST|CACHE|PRIMARY|FOREIGN|PARTITION|SORT|IDEMPOTENCY)_/;
const likeKey = /^(?=(?:\D*\d){4})(?=.*[A-Za-z])[\w+/=.-]{16,}$/;

/** The secret that a setting of this name and text holds; null where it holds none. */
export function settingSecret(name: string, value: string): string | null {
  const secret = secretIn(value);
  if (!isSecretName(name)) {
    const isKey = keyVariable.test(name) && !noSecretKey.test(name) && secret !== null && likeKey.test(secret);
    return isKey ? secret : null;
  }
  if (secret === null || (bareWord.test(name) && !madeByMachine.test(secret))) return null;
  // nginx ends its directives so, and proxy_pass names a place.
  if (name.endsWith('_pass') && secret.endsWith(';')) return null;
  if (/token$/i.test(name) && (lifeOrCount.test(secret) || /^<\|.*\|>$/.test(secret))) return null;
  if (/key|token/i.test(name) && noKey.test(secret)) return null;
  // The name of the variable that holds it: OPENAI_API_KEY.
  return /^(?!YOUR)[A-Z][A-Z0-9_]*_(?:API_KEY|TOKEN)$/.test(secret) ? null : secret;
}

const issuers =
  /^(?:openai|azure|anthropic|claude|gemini|google|mistral|cohere|groq|together|fireworks|openrouter|deepseek|perplexity|xai|replicate|hugging_?face(?:hub)?|hf|elevenlabs|assemblyai|deepgram|tavily|serp(?:api|er)?|brave|exa|firecrawl|jina|voyage|pinecone|langsmith|langchain|wandb|github|gh|gitlab|slack|discord|telegram|notion|linear|stripe|sendgrid|twilio|aws|cloudflare|cf|tailscale|docker_?hub)_/i;
const issuedForms =
  /^(?:sk-[\w-]{20,}|gsk_|gh[pousr]_|github_pat_|glpat-|hf_|xox[abeps]-|AKIA|AIza|r8_|pplx-|tvly-|xai-|npm_|tskey-)/;

/** Whether it was got from a service elsewhere, which would know nothing of another that is made here. */
export function isIssuedElsewhere(name: string, value: string): boolean {
  return issuers.test(name) || issuedForms.test(value);
}

/** The key in a header's text, whoever shows it: `Bearer …` of Authorization, `x-api-key`; null where there is none in the clear. */
export function secretInHeader(name: string, value: string): string | null {
  const token = /^(?:proxy-)?authorization$/i.test(name)
    ? /^(?:Bearer|Basic|Token)\s+(\S+)$/i.exec(value.trim())?.[1]
    : value;
  const secret = token === undefined ? null : settingSecret(token === value ? name : 'access_token', token);
  // Documents show how a header is written: Bearer <token>, Bearer YOUR_API_KEY.
  return secret === null || isGuessable(secret) ? null : secret;
}

/** The password within a URL; null where there is none in the clear. */
export function passwordInUrl(value: string): { readonly scheme: string; readonly password: string } | null {
  const match = /^([a-z][a-z0-9+.-]*):\/\/[^:@/\s]*:([^@\s]+)@/i.exec(value);
  if (!match) return null;
  const [, scheme = '', password = ''] = match;
  return secretIn(password) === null ? null : { scheme, password };
}

/** The key in an address that has it behind the question mark, as some MCP servers take theirs: ?api_key=…, ?tavilyApiKey=…. */
export function secretInQuery(value: string): string | null {
  if (!/^https?:\/\/[^?\s]+\?/i.test(value)) return null;
  const pairs = [...(URL.parse(value.trim())?.searchParams ?? [])];
  return pairs.find(([name, text]) => likeKey.test(text) && settingSecret(name, text) !== null)?.[1] ?? null;
}
