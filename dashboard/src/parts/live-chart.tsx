import { seconds, secondsShown, type Second } from '../live.ts';
import { count } from '../format.ts';

const width = 600;
const height = 120;
const kinds = [
  ['allow', 'allowed', 'good'],
  ['public', 'public', 'plain'],
  ['would_deny', 'would be denied', 'warn'],
  ['deny', 'denied', 'bad'],
] as const;

/** A bar each second, stacked by outcome; what it shows is said in words beside it. */
export function LiveChart() {
  const shown = seconds.value;
  const most = Math.max(5, ...shown.map(sum));
  const last = shown.at(-1);
  const highest = `${count(most)}/s${shown.some(({ partial }) => partial) ? ' and more' : ''}`;
  const bar = width / secondsShown;
  return (
    <figure class="chart">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={words(rate(last ? sum(last) : 0, last), highest)}
      >
        {shown.map((second, index) => {
          let below = 0;
          const x = width - (shown.length - index) * bar;
          return kinds.map(([name, , tone]) => {
            const size = (second[name] / most) * (height - 4);
            below += size;
            return (
              size > 0 && (
                <rect
                  key={`${second.number}${name}`}
                  class={`fill-${tone}`}
                  x={x + 1}
                  y={height - below}
                  width={bar - 2}
                  height={size}
                />
              )
            );
          });
        })}
        <line class="axis" x1="0" x2={width} y1={height} y2={height} />
      </svg>
      <figcaption>
        <ul class="legend">
          {kinds.map(([name, label, tone]) => (
            <li key={name}>
              <span class={`key fill-${tone}`} aria-hidden="true" /> {label}{' '}
              <strong>{rate(last?.[name] ?? 0, last)}</strong>
              /s
            </li>
          ))}
        </ul>
        <span class="dim">
          the last {secondsShown} seconds, up to {highest}
        </span>
      </figcaption>
    </figure>
  );
}

/** Of a second that had more decisions than the server counts for this. */
const rate = (value: number, second?: Second): string => `${second?.partial && value > 0 ? '≥ ' : ''}${count(value)}`;

const words = (now: string, highest: string): string =>
  `Decisions per second over the last minute: ${now} in the last second, up to ${highest}.`;

const sum = (second: Second): number => second.allow + second.deny + second.would_deny + second.public;
