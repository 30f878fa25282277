/** The README's walk. */
import { exampleService } from '../../test/fixtures/example-service.ts';

exampleService(import.meta.dirname);
