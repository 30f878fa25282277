import { parse, stringify } from 'yaml';
import { newSopsFile } from '../sops/sops-file.ts';
import { parseDocuments } from '../sops/document.ts';
import { ruleFrom } from '../sops/rule.ts';
import { SecretsError } from '../secrets-error.ts';

export interface KeyManifest {
  /** Also the name of its Deployment, and of the container in that. */
  readonly service: string;
  readonly key: string;
  /** See keyMark. */
  readonly mark: string;
  /** Null: wherever it is applied. */
  readonly namespace: string | null;
}

const keyAnnotation = 'countersign/key';
const fileName = 'service_key';
const mountPath = `/run/secrets/${fileName}`;
/** What SOPS encrypts of a manifest: Flux and kubectl read the rest. */
const encryptedParts = '^(data|stringData)$';
/** Readable by the owner and the group, which fsGroup makes that of a container that is not root. */
const fileMode = 0o440;

/** Throws 'invalid_secret': a service id may be more than what Kubernetes lets an object be called. */
export function checkManifestName(what: string, name: string): void {
  if (/^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/.test(name)) return;
  throw new SecretsError(
    'invalid_secret',
    `${what} "${name}" cannot be a name in Kubernetes: at most 50 lower-case letters, digits and dashes, with none of these at an end`,
  );
}

export function secretManifest({ service, key, mark, namespace }: KeyManifest): string {
  return manifest({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: secretName(service),
      ...within(namespace),
      labels: { 'app.kubernetes.io/managed-by': 'countersign' },
      annotations: { [keyAnnotation]: mark },
    },
    type: 'Opaque',
    stringData: { [fileName]: key },
  });
}

/** The same, its key encrypted by SOPS for these recipients. `now` is epoch seconds. */
export async function sealedManifest(of: KeyManifest, recipients: readonly string[], now: number): Promise<string> {
  const file = await newSopsFile('yaml', ruleFrom({ encrypted_regex: encryptedParts }), recipients);
  file.documents = parseDocuments(secretManifest(of), 'yaml');
  return file.text(now);
}

/** Whether a sealed manifest holds this key for these recipients, as far as can be seen without opening it. */
export function isSealedFor(
  text: string,
  { mark, service, namespace }: KeyManifest,
  recipients: readonly string[],
): boolean {
  const { metadata, stringData, sops } = readManifest(text);
  const known = (sops?.age ?? []).map(({ recipient }) => recipient).toSorted();
  return (
    metadata?.name === secretName(service) &&
    (metadata.namespace ?? null) === namespace &&
    metadata.annotations?.[keyAnnotation] === mark &&
    stringData?.[fileName]?.startsWith('ENC[') === true &&
    JSON.stringify(known) === JSON.stringify([...recipients].toSorted())
  );
}

interface Read {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly stringData?: Readonly<Record<string, string>>;
  readonly sops?: { readonly age?: readonly { readonly recipient: string }[] };
  readonly resources?: readonly string[];
}

function readManifest(text: string): Read {
  try {
    return (parse(text, { maxAliasCount: 0 }) as Read | null) ?? {};
  } catch {
    return {};
  }
}

/**
 * Gives the Deployment its key as a file. A file mounted by subPath is never renewed in a running container, which is wanted:
 * the annotation changes with the key and so makes the Deployment roll, one Pod after the other, while both keys count.
 */
export function workloadPatch({ service, mark, namespace }: Omit<KeyManifest, 'key'>): string {
  return manifest({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: service, ...within(namespace) },
    spec: {
      template: {
        metadata: { annotations: { [keyAnnotation]: mark } },
        spec: {
          containers: [
            {
              name: service,
              env: [
                { name: 'SERVICE_ID', value: service },
                { name: 'SERVICE_KEY_FILE', value: mountPath },
              ],
              volumeMounts: [{ name: 'service-key', mountPath, subPath: fileName, readOnly: true }],
            },
          ],
          volumes: [{ name: 'service-key', secret: { secretName: secretName(service), defaultMode: fileMode } }],
        },
      },
    },
  });
}

/** For Kustomize, to be named under `components` of what has the Deployments. */
export function component(services: readonly string[]): string {
  return manifest({
    apiVersion: 'kustomize.config.k8s.io/v1alpha1',
    kind: 'Component',
    resources: services.map(secretFile),
    patches: services.map((service) => ({ path: patchFile(service) })),
  });
}

/** Whose keys an earlier run has put there. */
export function servicesOfComponent(text: string): string[] {
  const { resources = [] } = readManifest(text);
  return resources.flatMap((name) => /^(.+)-key\.yaml$/.exec(name)?.[1] ?? []);
}

export function secretFile(service: string): string {
  return `${service}-key.yaml`;
}

export function patchFile(service: string): string {
  return `${service}-patch.yaml`;
}

function secretName(service: string): string {
  return `${service}-service-key`;
}

function within(namespace: string | null): { readonly namespace?: string } {
  return namespace === null ? {} : { namespace };
}

/** Texts are quoted, since readers of YAML differ on what is a number. */
function manifest(value: unknown): string {
  return stringify(value, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 });
}
