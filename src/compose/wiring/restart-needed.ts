/** Thrown by reload; the configuration in force stays. */
export class RestartNeeded extends Error {
  readonly code = 'restart_needed';
  constructor(what: string) {
    super(`${what} changed: this takes effect after a restart; until then the configuration in force stays`);
    this.name = 'RestartNeeded';
  }
}
