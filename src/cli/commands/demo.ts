import type { Invocation } from '../command.ts';
import { EXIT } from '../failure.ts';

export async function demo({ out }: Invocation): Promise<number> {
  out.talk('The demonstration is being prepared.');
  return EXIT.refused;
}
