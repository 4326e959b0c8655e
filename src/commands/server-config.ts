import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Config } from '../config/config.js';
import { loadEnvironment } from '../config/load-config.js';
import { StartError } from '../config/start-error.js';

/** The settings of a server that has run with them: a command makes no secret. @throws StartError */
export function configOfServer(): Config {
  const environment = loadEnvironment();
  const { DATA_DIR, JWT_SECRET, JWKS_URL } = environment;
  if (!JWT_SECRET && !JWKS_URL) requireMade(resolve(DATA_DIR, 'jwt-secret'));
  return new Config(environment);
}

/** @throws StartError unless a server has made this path */
export function requireMade(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })) return;
  throw new StartError(
    `DATA_DIR: there is no ${path}: no server has run with these settings. Run this with the settings of the server ` +
      'and in its directory (docs/operations.md).',
  );
}
