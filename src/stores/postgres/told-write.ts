import type { OwnChanges } from '../own-changes.ts';
import type { Queries, Statement, Value } from './database.ts';

/**
 * One statement that writes and tells: its first parameter is the mark for countersign_tell, whose results are its rows.
 * Resolves to whether there was anything to tell.
 */
export async function toldWrite(
  database: Queries,
  own: OwnChanges,
  statement: Statement,
  values: readonly Value[],
): Promise<boolean> {
  const mark = own.mark();
  const rows = await database.query<{ told: string }>(statement, [mark, ...values]);
  const told = rows.map((row) => row.told);
  own.wrote(mark, told);
  return told.length > 0;
}
