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
  // By shape, not by class: test runners make errors of another realm.
  if (typeof error !== 'object' || error === null) return false;
  const {
    code,
    syscall,
    message = '',
    errors = [],
  } = error as NodeJS.ErrnoException & { errors?: unknown[] };
  // A name with several addresses fails with one error for each.
  if (errors.some(isTransient)) return true;
  if (code === undefined) return BROKEN.test(message);
  return NETWORK.has(code) ? syscall === undefined || SOCKET_CALLS.has(syscall) : TRANSIENT.test(code);
}
