import type { Database } from '../../database/database.js';

/**
 * Reads a table from its first id to its last, in batches of at most `size` rows.
 * @param page SQL for the rows whose ids are greater than $1, in their order, limited to `size`
 * @param before less than every id
 * @param values of $2 and so on
 */
export async function* batches<Row extends { readonly id: number | string }>(
  db: Database,
  page: string,
  before: Row['id'],
  size: number,
  ...values: unknown[]
): AsyncGenerator<Row[]> {
  for (let after = before; ;) {
    const { rows } = await db.query<Row>(page, [after, ...values]);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < size) return;
    after = last.id;
  }
}

/** Like `batches`, row by row. */
export async function* eachRow<Row extends { readonly id: number | string }>(
  ...args: Parameters<typeof batches<Row>>
): AsyncGenerator<Row> {
  for await (const rows of batches<Row>(...args)) yield* rows;
}
