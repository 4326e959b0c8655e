/** Says to a person what keeps the embedded Postgres from running, and what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}
