import { StartError } from './config/start-error.js';
import { EmbeddedPostgresError } from './database/embedded/embedded-postgres.js';
import { fromDatabase, wordsOf } from './errors/database-errors.js';

/** Ends the process: with a message if a person can fix the cause, with a stack trace if it is a bug. */
export function fail(error: unknown): never {
  console.error(isForPeople(error) ? wordsOf(error) : error);
  process.exit(1);
}

function isForPeople(error: unknown): boolean {
  if (error instanceof StartError || error instanceof EmbeddedPostgresError) return true;
  const isOfSystem = error instanceof Error && 'syscall' in error;
  return isOfSystem || fromDatabase(error) !== undefined;
}
