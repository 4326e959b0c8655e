import { StartError } from './config/start-error.js';
import { EmbeddedPostgresError } from './database/embedded-postgres.js';

/** Ends the process: with words alone where a person can mend it, with the stack trace of a mistake of ours. */
export function fail(error: unknown): never {
  const isForPeople = error instanceof StartError || error instanceof EmbeddedPostgresError;
  console.error(isForPeople ? error.message : error);
  process.exit(1);
}
