import { systemClock } from '../../core/clock.ts';
import { signServiceRequest } from '../../schemes/service-signature/index.ts';
import type { Invocation } from '../command.ts';
import { EXIT, usage } from '../failure.ts';
import { secretFromFile, secretFromStdin } from '../secret-input.ts';

export async function sign(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const [methodWord = '', urlWord = ''] = invocation.positionals;
  const method = methodWord.toUpperCase();
  const { origin, target } = splitUrl(urlWord);
  if (invocation.flag('send') && origin === null) throw usage('--send needs the whole URL, not the path alone');
  const serviceId = invocation.text('service') ?? invocation.env['SERVICE_ID'] ?? '';
  if (serviceId === '') throw usage('--service is needed: the service id to sign as');
  const file = invocation.text('key-file') ?? invocation.env['SERVICE_KEY_FILE'] ?? null;
  const what = `the key of ${serviceId}`;
  const secret = file === null ? await secretFromStdin(invocation, what) : secretFromFile(file, what);
  const { headers, message } = signServiceRequest({
    serviceId,
    secret,
    method,
    target,
    timestamp: timestampOption(invocation),
  });
  out.json({ headers, message });
  return EXIT.done;
}

/** As it goes on the request line: nothing is normalised, for that is what is signed. */
function splitUrl(text: string): { origin: string | null; target: string } {
  if (text.startsWith('/')) return { origin: null, target: text };
  const match = /^(https?:\/\/[^/?#]+)([/?][^#]*)?(?:#.*)?$/.exec(text);
  if (!match) throw usage('URL is a whole http:// or https:// URL, or a path that begins with a slash');
  const rest = match[2] ?? '/';
  return { origin: match[1] ?? null, target: rest.startsWith('/') ? rest : `/${rest}` };
}

function timestampOption(invocation: Invocation): number {
  const text = invocation.text('timestamp');
  if (text === null) return Math.floor(systemClock());
  if (!/^[0-9]{1,12}$/.test(text)) throw usage('--timestamp is a time in whole Unix seconds');
  return Number(text);
}
