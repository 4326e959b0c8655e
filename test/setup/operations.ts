import { openApiDocument } from '../../src/http/swagger.js';
import type { TestApp } from './test-app.js';

/** Every operation that needs a token, from the document itself: a new one is in every matrix by itself. */
export function guardedOperations({ app }: TestApp): [method: string, path: string][] {
  return Object.entries(openApiDocument(app).paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([, operation]) => !isPublic(operation as { security?: object[] }))
      .map(([method]): [string, string] => [method.toUpperCase(), path]),
  );
}

function isPublic({ security }: { security?: object[] }): boolean {
  return security?.some((requirement) => Object.keys(requirement).length === 0) ?? false;
}
