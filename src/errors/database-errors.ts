import { type AppError, ServiceUnavailable } from './app-error.js';

/**
 * SQLSTATEs that say "not now" rather than "wrong": connection exceptions (class 08), insufficient resources (53),
 * operator intervention (57: shutdown, cancelled by a timeout), lock not available, serialization and deadlock,
 * idle-in-transaction timeout, read-only (a fail-over on its way).
 * https://www.postgresql.org/docs/18/errcodes-appendix.html
 */
const TRANSIENT = /^(08|53|57)|^(55P03|40001|40P01|25P03|25006)$/;

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);

const SOCKET_CALLS = new Set(['connect', 'read', 'write', 'getaddrinfo']);

/** node-postgres gives these no code: the pool timed out, or the connection broke under a query. */
const BROKEN =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/;

/** A 503 for an error that says Postgres is away or overloaded; undefined for any other error. */
export function fromDatabase(error: unknown): AppError | undefined {
  return isTransient(error) ? new ServiceUnavailable('The database is not available', error) : undefined;
}

function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.some(isTransient);
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code !== undefined && NETWORK.has(code)) return syscall === undefined || SOCKET_CALLS.has(syscall);
  return (code !== undefined && TRANSIENT.test(code)) || BROKEN.test(error.message);
}
