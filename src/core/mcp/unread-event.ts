/** More than any other member of a message that stands before or behind its result. */
const edgeMax = 65_536;

const id = String.raw`"id"\s*:\s*(-?\d{1,16}|"[^"\\]{0,256}")`;
const version = String.raw`"jsonrpc"\s*:\s*"2\.0"`;
/** What stands first or last in a text of JSON stands in the message itself, and within nothing that is in it. */
const idFirst = new RegExp(String.raw`^data: ?\{\s*(?:${version}\s*,\s*)?${id}\s*[,}]`);
const idLast = new RegExp(String.raw`,\s*${id}\s*(?:,\s*${version}\s*)?\}\s*$`);

/** The beginning and the end of an event that nobody looks into. Each character is a byte. */
export class UnreadEvent {
  #begin = '';
  #end = '';

  push(text: string): void {
    if (this.#begin.length < edgeMax) this.#begin += text.slice(0, edgeMax - this.#begin.length);
    this.#end = (this.#end + text.slice(-edgeMax)).slice(-edgeMax);
  }

  /**
   * What is told in its place: that the request it answers failed, so that its caller does not ask for it again and again, as of a
   * stream that breaks off. Null where it does not say first or last which request that is.
   */
  replacement(why: string): string | null {
    const lines = this.#begin.split(/\r\n|\r|\n/);
    const dataAt = lines.findIndex((line) => line.startsWith('data:'));
    const asked = idFirst.exec(lines[dataAt] ?? '')?.[1] ?? idLast.exec(this.#end)?.[1];
    if (dataAt === -1 || asked === undefined) return null;
    const error = JSON.stringify({ code: -32603, message: `The answer has ${why}` });
    return [...lines.slice(0, dataAt), `data: {"jsonrpc":"2.0","id":${asked},"error":${error}}`, '', ''].join('\n');
  }
}
