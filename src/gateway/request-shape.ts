export { hasBody, requestFault } from '../adapters/node/request-shape.ts';
