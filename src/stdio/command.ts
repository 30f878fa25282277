/** How one MCP server is run, and how many of it. */
export interface Command {
  /** The service; for messages. */
  readonly service: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of a new process, read anew for each. Throws, saying why, where a secret cannot be had. */
  readonly environment: () => Readonly<Record<string, string>>;
  /** Values that must not be repeated in a log. */
  readonly secretValues: (environment: Readonly<Record<string, string>>) => readonly string[];
  /** Processes of one caller, and of all callers together. */
  readonly perCaller: number;
  readonly max: number;
  /** How long a process that nobody uses is kept, milliseconds. */
  readonly idleMillis: number;
  /** Resident memory of a process with all that it started, bytes. */
  readonly memoryMax: number;
  /** How long a request may wait without a word from the server, milliseconds. */
  readonly silenceMillis: number;
  /** Bytes of one message from a client. */
  readonly messageBytesMax: number;
  /** Pages, as Origin has them, that may call unproven, besides those of this machine. Asked each time: a configuration may change. */
  readonly origins: () => readonly string[];
}
