/** Writes deploy/kubernetes/countersign.yaml from the chart; a test holds the two together. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainManifests } from './fixtures/helm.ts';

writeFileSync(join(import.meta.dirname, '../deploy/kubernetes/countersign.yaml'), plainManifests());
