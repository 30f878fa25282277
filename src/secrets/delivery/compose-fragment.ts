import { parse, stringify } from 'yaml';
import { isObject } from '../../core/json/object.ts';
import { SecretsError } from '../secrets-error.ts';

export interface ComposeKey {
  readonly service: string;
  /** See keyMark. */
  readonly mark: string;
  /** Absolute: Compose takes a relative path from wherever its first file lies. */
  readonly file: string;
}

/** As the file is called in the container, too: /run/secrets/<name>. Not <service>_api_key, which is the called service's. */
export function composeSecretName(service: string): string {
  return `${service}_service_key`;
}

interface Fragment {
  readonly services: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, unknown>>;
}

const head = `# Written by \`countersign deploy docker\`, and written over by the next run. Lay it over your own file:
#   docker compose -f compose.yaml -f THIS_FILE up -d
# The label changes with the key, so that \`up -d\` makes the container anew: a mounted file does not follow its replacement.
`;

/** A Compose file that gives each service its own key, laid over the one that says what the services are. */
export function composeFragment(keys: readonly ComposeKey[], before: Fragment = { services: {}, secrets: {} }): string {
  const services: Record<string, unknown> = { ...before.services };
  const secrets: Record<string, unknown> = { ...before.secrets };
  for (const { service, mark, file } of keys) {
    const name = composeSecretName(service);
    services[service] = {
      secrets: [name],
      environment: { SERVICE_ID: service, SERVICE_KEY_FILE: `/run/secrets/${name}` },
      labels: { 'countersign.key': mark },
    };
    // Compose takes a single one for the start of a variable.
    secrets[name] = { file: file.replaceAll('$', '$$$$') };
  }
  // Quoted, since readers differ on what is a number.
  return (
    head +
    stringify({ services, secrets }, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 })
  );
}

/** What an earlier run wrote. */
export function readFragment(text: string, path: string): Fragment {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch {
    value = null;
  }
  if (isObject(value) && isObject(value['services']) && isObject(value['secrets']))
    return { services: value['services'], secrets: value['secrets'] };
  throw new SecretsError('key_file', `${path} is not what \`deploy docker\` wrote; remove it or choose another folder`);
}
