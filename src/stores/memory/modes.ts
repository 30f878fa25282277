import type { ModeRow, ModeStore } from '../../core/store.ts';
import type { Memory } from './memory.ts';

export function memoryModes({ step, tell }: Memory): ModeStore {
  const rows = new Map<string, ModeRow>();
  return {
    list: () => step(() => [...rows.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1)).map((row) => ({ ...row }))),
    set: (row) =>
      step(() => {
        rows.set(row.scope, { ...row });
        tell({ topic: 'modes', id: row.scope });
      }),
    setAll: (row) =>
      step(() => {
        rows.clear();
        rows.set('*', { ...row, scope: '*' });
        tell({ topic: 'modes', id: '*' });
      }),
    clear: (scope, only) =>
      step(() => {
        for (const row of rows.values()) {
          if ((scope === null || row.scope === scope) && (only === undefined || row.mode === only))
            rows.delete(row.scope);
        }
        tell({ topic: 'modes', id: scope ?? '*' });
      }),
  };
}
