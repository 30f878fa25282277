import type { ServiceConfig, StackConfig } from '../compose/config.ts';
import { secretNames } from '../compose/build/secret-name.ts';
import type { Stack } from '../compose/stack.ts';
import type { Command } from '../stdio/command.ts';
import type { StdioServices } from '../stdio/stdio-services.ts';
import { keyOf, type Ways } from './upstream/upstreams.ts';

/** To the services that are run here. */
export function pipesTo(stack: Stack, processes: StdioServices): Ways['pipeTo'] {
  return (service) => {
    const command = commandOf(service, stack);
    return command === null ? null : () => processes.connect(keyOf(service), () => command);
  };
}

function commandOf({ name, command, timeouts, maxSignedBody }: ServiceConfig, stack: Stack): Command | null {
  if (command === null) return null;
  const { idleSeconds, ...run } = command;
  return {
    ...run,
    service: name,
    environment: () => stack.commandEnvironment(command),
    secretValues: (environment) => secretNames(command, environment).flatMap((variable) => environment[variable] ?? []),
    idleMillis: idleSeconds * 1000,
    // Ahead of the gateway's own time-out, so that the client hears of it in words of the protocol.
    silenceMillis: timeouts.responseSeconds * 900,
    messageBytesMax: maxSignedBody,
    origins: () => ownOrigins(stack.service(name), stack.config),
  };
}

/** Pages that are named, and those that come by way of this gateway. */
function ownOrigins(service: ServiceConfig | null, { publicUrl }: StackConfig): readonly string[] {
  const { origins, hosts } = service ?? { origins: null, hosts: [] };
  return [
    ...(origins ?? []),
    new URL(publicUrl).origin,
    ...hosts.flatMap((host) => [`http://${host}`, `https://${host}`]),
  ];
}
