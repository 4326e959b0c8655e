import { StartError } from './config/start-error.js';
import { EmbeddedPostgresError } from './database/embedded-postgres.js';
import { wordsOf } from './errors/database-errors.js';
import { fromDatabase } from './errors/database-errors.js';

/** Ends the process: with words alone where a person can mend it, with the stack trace of a mistake of ours. */
export function fail(error: unknown): never {
  console.error(isForPeople(error) ? wordsOf(error) : error);
  process.exit(1);
}

function isForPeople(error: unknown): boolean {
  if (error instanceof StartError || error instanceof EmbeddedPostgresError) return true;
  const isOfSystem = error instanceof Error && 'syscall' in error;
  return isOfSystem || fromDatabase(error) !== undefined;
}
