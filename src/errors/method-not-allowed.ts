import type { Request } from 'express';
import { AppError } from './app-error.js';

/** The URL exists, but does not support the method (RFC 9110, 15.5.6). */
export class MethodNotAllowed extends AppError {
  constructor(allowed: readonly string[]) {
    super('method-not-allowed', 405, `This URL supports only ${allowed.join(', ')}`, {
      action: 'fix-request',
      headers: { Allow: allowed.join(', ') },
    });
  }
}

/** The parts of Express' router that we use: its routes, and whether they match a path. */
interface Layer {
  readonly route?: { readonly methods: Readonly<Record<string, boolean>> };
  match(path: string): boolean;
}

/** The methods that the URL of a refused request supports; empty if there is nothing at that URL. */
export function allowedMethods({ app, path }: Request): string[] {
  const layers = (app as unknown as { router: { stack: readonly Layer[] } }).router.stack;
  const methods = layers
    .filter((layer) => layer.route && layer.match(path))
    .flatMap((layer) => Object.keys(layer.route?.methods ?? {}))
    .map((method) => method.toUpperCase());
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}
