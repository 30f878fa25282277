import { z } from 'zod';

/** What somebody types in to prove who they are, none of it longer than it can be. */
export const typed = (max: number) =>
  z.string({ error: 'must be a string' }).max(max, { error: `is at most ${max} long` });
export const secretText = typed(1024);
export const loginCode = typed(64);
