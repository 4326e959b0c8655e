/** Tells the operator why the embedded Postgres cannot run, and what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}
