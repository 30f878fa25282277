const secretName =
  /(?:pass(?:word|wd|phrase)?|_pwd|secret|token|api_?key|private_?key|access_?key|secret_?key(?:_base)?|service_?key|signing_?key|master_?key|encryption_?key|requirepass)$/i;

/** Names that end like a secret's and hold the name of one, or something about it. */
const aboutSecrets = /(?:^|[_.-])(?:existing|pull|secret_?name|public|bypass|compass)/i;
/** In lower case usually the name of one, as Kubernetes has it. */
const bareWord = /^(?:secret|token)$/;

/** Whether a setting of this name holds a secret: POSTGRES_PASSWORD, admin_password, aidbApiKey. */
export function isSecretName(name: string): boolean {
  return secretName.test(name) && !aboutSecrets.test(name) && !bareWord.test(name);
}

const guessed = new Set(
  'admin administrator password passwd pass secret root toor test testing guest default user demo dev postgres redis grafana minio minioadmin rabbitmq mysql mongo letmein qwerty welcome master changeit token key apikey 123 1234 12345 123456 12345678 123456789 password1 password123 admin123 secret123 postgrespassword abc123 foobared'.split(
    ' ',
  ),
);

/** What everybody tries first: the default of a program, or what an example said to replace. */
export function isGuessable(value: string): boolean {
  const text = value.toLowerCase();
  if (guessed.has(text) || text.length < 6) return true;
  return (
    /change[-_ ]?(?:me|this|it)|replace[-_ ]?(?:me|this)|placeholder|in[-_]production|^your[-_ ]|^todo|^insert[-_ ]|example/.test(
      text,
    ) ||
    /^<.*>$/.test(text) ||
    /^(.)\1+$/.test(text)
  );
}

/** The secret that a setting's text holds; null where it holds none but says where it is to be had. */
export function secretIn(value: string): string | null {
  const text = value.trim();
  // A shell's and Compose's ${NAME:-default} is the default wherever nobody says otherwise.
  const fallback = /^\$\{\w+:?-(.*)\}$/.exec(text);
  if (fallback) return secretIn(fallback[1] ?? '');
  if (text === '' || /^(?:true|false|null|none|~|yes|no|off|on)$/i.test(text)) return null;
  if (/^(?:\$(?:\{|\w|__)|\$\(|\{\{|ENC\[|[.~]?\/|file:|vault:|op:\/\/|ref\+|arn:)/.test(text)) return null;
  // Digests are kept so that the secret is not.
  return /^(?:\$(?:2[aby]?|5|6|argon2\w*|scrypt)\$|SCRAM-SHA-256\$|sha256:|\{SHA)/.test(text) ? null : text;
}

/** The password within a URL; null where there is none in the clear. */
export function passwordInUrl(value: string): { readonly scheme: string; readonly password: string } | null {
  const match = /^([a-z][a-z0-9+.-]*):\/\/[^:@/\s]*:([^@\s]+)@/i.exec(value);
  if (!match) return null;
  const [, scheme = '', password = ''] = match;
  return secretIn(password) === null ? null : { scheme, password };
}
