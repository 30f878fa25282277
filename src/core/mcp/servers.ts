import { isObject, type JsonObject } from '../json/object.ts';

/**
 * The servers in the text of a file of MCP servers as clients have it: "mcpServers", or "servers" as VS Code calls them. Null where
 * it names none; throws a SyntaxError on what is no JSON.
 */
export function mcpServersIn(text: string): JsonObject | null {
  const value: unknown = JSON.parse(plainJson(text.replace(/^\uFEFF/, '')));
  const servers = isObject(value) ? (value['mcpServers'] ?? value['servers']) : undefined;
  return isObject(servers) ? servers : null;
}

/** Whether a client starts this server, and so the gateway too. */
export function isServed(server: unknown): boolean {
  return !isObject(server) || server['disabled'] !== true;
}

/** Clients read their files with comments and with commas before a closing bracket. */
function plainJson(text: string): string {
  const string = String.raw`"(?:[^"\\\n]|\\.)*"`;
  const without = (what: string, from: string): string =>
    from.replace(new RegExp(`(${string})|${what}`, 'g'), (_, kept: string | undefined) => kept ?? ' ');
  return without(String.raw`,(?=\s*[}\]])`, without(String.raw`//[^\n]*|/\*[^]*?(?:\*/|$)`, text));
}
