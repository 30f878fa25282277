/** Writes docs/countersign.schema.json from the schema that the program checks with: node src/compose/schema/write-json-schema.ts */
import { writeFileSync } from 'node:fs';
import { jsonSchema } from './schema.ts';

const file = new URL('../../../docs/countersign.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(jsonSchema(), null, 2)}\n`);
