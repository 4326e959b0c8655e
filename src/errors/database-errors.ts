import { AppError, ServiceUnavailable } from './app-error.js';

/**
 * SQLSTATEs of a Postgres that is away, coming up, going down, overloaded or read-only (a fail-over on its way): connection
 * exceptions (class 08), insufficient resources (53), operator intervention (57), errors of its own system (58), a database
 * that takes no connections (55000), read-only (25006).
 * https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const AWAY = /^(08|53|57|58)|^(55000|25006)$/;

/**
 * SQLSTATEs that only an operator can mend, and no client can tell from a Postgres that is away: role or password wrong
 * (class 28), no such database (3D000), schema (3F000) or table (42P01), no privilege (42501).
 */
const REFUSED = /^28|^(3D000|3F000|42P01|42501)$/;

/** SQLSTATEs that say "not now": lock not available, serialization, deadlock, idle in a transaction for too long. */
const BUSY = /^(55P03|40001|40P01|25P03)$/;

/** A session that ended, whatever the reason. */
const ENDED = new Set(['FATAL', 'PANIC']);

const NETWORK = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ETIMEDOUT',
]);

const SOCKET_CALLS = new Set(['connect', 'read', 'write', 'getaddrinfo']);

/** A certificate that has expired, or was never good. */
const TLS = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** node-postgres gives these no code: the pool timed out or is closing, or the connection broke under a query. */
const BROKEN =
  /^(Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|Query read timeout)/;

/** And these: the two do not agree on a password or on TLS. */
const NO_SESSION =
  /^(SASL: |The server does not support SSL|There was an error establishing an SSL connection)/;

/** A 503 for an error that says Postgres is away, overloaded or out of reach; undefined for any other error. */
export function fromDatabase(error: unknown): AppError | undefined {
  const isUnavailable = isDatabaseAway(error) || isOfDatabase(error);
  return isUnavailable ? new ServiceUnavailable('The database is not available', error) : undefined;
}

/** Whether an error says that Postgres is away, and may come back by itself. */
export function isDatabaseAway(error: unknown): boolean {
  const { code, syscall, message, errors } = shapeOf(error);
  // A name with several addresses fails with one error for each.
  if (errors.some(isDatabaseAway)) return true;
  if (code === undefined) return BROKEN.test(message);
  return NETWORK.has(code) ? syscall === undefined || SOCKET_CALLS.has(syscall) : AWAY.test(code);
}

function isOfDatabase(error: unknown): boolean {
  const { code, severity, message } = shapeOf(error);
  if (ENDED.has(severity)) return true;
  if (code === undefined) return NO_SESSION.test(message);
  return REFUSED.test(code) || BUSY.test(code) || TLS.test(code);
}

/** What an error says to people, its cause in the place of an answer to clients. */
export function wordsOf(error: unknown): string {
  const { message, errors = [], cause } = error as Error & { errors?: readonly unknown[] };
  if (error instanceof AppError && cause !== undefined) return wordsOf(cause);
  // A name with several addresses fails with one error for each, and has no words of its own.
  return message || errors.map(wordsOf).join(', ');
}

/** By shape, not by class: test runners make errors of another realm. */
function shapeOf(error: unknown) {
  const known = typeof error === 'object' ? (error as Partial<DatabaseError> | null) : null;
  const { code, syscall, severity = '', message = '', errors = [] } = known ?? {};
  return { code, syscall, severity, message, errors };
}

interface DatabaseError extends NodeJS.ErrnoException {
  readonly severity: string;
  readonly errors: readonly unknown[];
}
