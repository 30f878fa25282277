import { nearest } from '../../core/text/nearest.ts';
import type { FileChecks } from './file-checks.ts';
import type { Findings } from './findings.ts';
import type { Place } from './place.ts';
import { seconds } from '../schema/quantities.ts';
import { redisFault } from '../schema/store-urls.ts';

/** What is wrong with the rotation of keys and their delivery beyond their form. `callers`: null when all are taken for known. */
export function checkRotation(
  root: Place,
  callers: ReadonlySet<string> | null,
  files: FileChecks,
  found: Findings,
): void {
  for (const level of [
    root,
    ...root
      .get('services')
      .entries()
      .map(([, service]) => service),
  ])
    checkGrace(level, root, found);
  const taken = new Map<string, string>();
  for (const [caller, delivery] of root.get('deliver').entries()) {
    if (callers !== null && !callers.has(caller)) found.faults.push(unknown(caller, delivery, callers));
    checkDelivery(caller, delivery, files, found);
    for (const place of [delivery.get('file'), delivery.get('envFile')]) {
      if (place.text === null) continue;
      const other = taken.get(place.text);
      if (other !== undefined)
        found.faults.push(
          place.fault(`the key of "${other}" is delivered to this file already`, 'give each caller a file of its own'),
        );
      taken.set(place.text, caller);
    }
  }
}

/** An old key that outlives the next rotation is never ended. */
function checkGrace(level: Place, root: Place, found: Findings): void {
  const secondsOf = (key: string): number | null => {
    const value = level.get(key).value ?? root.get(key).value;
    return typeof value === 'string' || typeof value === 'number' ? seconds(value) : null;
  };
  const every = secondsOf('rotateEvery');
  const grace = secondsOf('rotateGrace') ?? 86_400;
  const place = ['rotateGrace', 'rotateEvery'].map((key) => level.get(key)).find(({ value }) => value !== undefined);
  if (place && every !== null && grace >= every)
    found.faults.push(
      place.fault(
        'keys would be replaced before the old ones have been unused for rotateGrace',
        'write a rotateGrace shorter than rotateEvery',
      ),
    );
}

function unknown(caller: string, delivery: Place, callers: ReadonlySet<string>) {
  const meant = nearest(caller, callers);
  return delivery.keyFault(
    `unknown caller "${caller}"`,
    meant === null ? `name it at the top of the file: callers: [${caller}]` : `did you mean "${meant}"?`,
  );
}

function checkDelivery(caller: string, delivery: Place, files: FileChecks, found: Findings): void {
  const named = delivery.entries();
  const isMap = typeof delivery.value === 'object' && delivery.value !== null;
  if (isMap && named.length !== 1)
    found.faults.push(
      delivery.keyFault(
        named.length === 0
          ? `nothing says where the key of "${caller}" goes`
          : `the key of "${caller}" has several places`,
        'write one of file, envFile and redis',
      ),
    );
  files.writable(delivery.get('file'), found);
  files.writable(delivery.get('envFile'), found);
  const redis = delivery.get('redis');
  const fault = redis.text === null ? null : redisFault(redis.text);
  if (fault) found.faults.push(redis.fault(...fault));
}
