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
  const bar = width / secondsShown;
  return (
    <figure class="chart">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={words(last ? sum(last) : 0, most)}
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
              <span class={`key fill-${tone}`} aria-hidden="true" /> {label} <strong>{count(last?.[name] ?? 0)}</strong>
              /s
            </li>
          ))}
        </ul>
        <span class="dim">
          the last {secondsShown} seconds, at most {count(most)}/s
        </span>
      </figcaption>
    </figure>
  );
}

const words = (now: number, most: number): string =>
  `Decisions per second over the last minute: ${now} in the last second, at most ${most}.`;

const sum = (second: Second): number => second.allow + second.deny + second.would_deny + second.public;
