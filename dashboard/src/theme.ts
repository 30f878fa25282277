import { effect, signal } from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const key = 'countersign-theme';

export const theme = signal<Theme>(remembered());

function remembered(): Theme {
  const value = globalThis.localStorage?.getItem(key);
  return value === 'light' || value === 'dark' ? value : 'auto';
}

export function followTheme(): void {
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value;
    localStorage.setItem(key, theme.value);
  });
}
