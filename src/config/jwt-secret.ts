import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StartError } from './start-error.js';

/**
 * The secret of a demo server: random, created at the first start and stored in the data directory, so that tokens stay
 * valid after a restart. Two processes that start at once end up with the same one.
 */
export function loadJwtSecret(dataDir: string): string {
  const path = join(dataDir, 'jwt-secret');
  try {
    return read(path) ?? create(path, dataDir);
  } catch (cause) {
    throw new StartError(
      `DATA_DIR: the token secret cannot be stored there (${(cause as Error).message}). Give ${dataDir} to the user ` +
        'that runs Mediadock, choose another directory, or set JWT_SECRET.',
      { cause },
    );
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function create(path: string, dataDir: string): string {
  mkdirSync(dataDir, { recursive: true });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, randomBytes(32).toString('base64url'), { mode: 0o600, flush: true });
  try {
    linkSync(draft, path);
  } catch (error) {
    // Another process was first: its secret counts.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(path, 'utf8').trim();
}
