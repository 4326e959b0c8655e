import { AppError, ServiceUnavailable } from './app-error.js';

/**
 * SQLSTATEs of a Postgres that is down, starting, stopping, overloaded or read-only (during a failover): connection
 * exceptions (class 08), insufficient resources (53), operator intervention (57), system errors (58), a database that
 * accepts no connections (55000), read-only (25006).
 * https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const AWAY = /^(08|53|57|58)|^(55000|25006)$/;

/**
 * SQLSTATEs that only an operator can fix. For clients they are the same as a Postgres that is down: wrong role or
 * password (class 28), no such database (3D000), schema (3F000) or table (42P01), no privilege (42501).
 */
const REFUSED = /^28|^(3D000|3F000|42P01|42501)$/;

/** Temporary SQLSTATEs: lock not available, serialization failure, deadlock, idle in transaction for too long. */
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

/** An expired or invalid certificate. */
const TLS = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** Errors of node-postgres without a code: the pool timed out or is closing, or the connection broke during a query. */
const BROKEN =
  /^(Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|Query read timeout)/;

/** Other errors without a code: no agreement on a password method or on TLS. */
const NO_SESSION =
  /^(SASL: |The server does not support SSL|There was an error establishing an SSL connection)/;

/** A 503 if the error means that Postgres is down, overloaded or unreachable; otherwise undefined. */
export function fromDatabase(error: unknown): AppError | undefined {
  const isUnavailable = isDatabaseAway(error) || isOfDatabase(error);
  return isUnavailable ? new ServiceUnavailable('The database is not available', error) : undefined;
}

/** Whether the error means that Postgres is down and may recover by itself. */
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

/** The message of an error for operators: that of the cause, if the error is a response to clients. */
export function wordsOf(error: unknown): string {
  const { message, errors = [], cause } = error as Error & { errors?: readonly unknown[] };
  if (error instanceof AppError && cause !== undefined) return wordsOf(cause);
  // A name with several addresses fails with one error for each, and has no message of its own.
  return message || errors.map(wordsOf).join(', ');
}

/** Checks the shape, not the class: test runners have errors of another realm. */
function shapeOf(error: unknown) {
  const known = typeof error === 'object' ? (error as Partial<DatabaseError> | null) : null;
  const { code, syscall, severity = '', message = '', errors = [] } = known ?? {};
  return { code, syscall, severity, message, errors };
}

interface DatabaseError extends NodeJS.ErrnoException {
  readonly severity: string;
  readonly errors: readonly unknown[];
}
