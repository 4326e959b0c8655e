import type { MigrationInterface, QueryRunner } from 'typeorm';

// A sweep looks for what is left to do, and not through all that was done in a week.
const UP = [
  `DROP INDEX upload_session_ended`,
  // With ended uploads whose parts are still there.
  `CREATE INDEX upload_session_uncleaned ON upload_session (state, expires_at) WHERE state <> 'open' AND cleaned_at IS NULL`,
  // In the order in which ended uploads are forgotten.
  `CREATE INDEX upload_session_cleaned ON upload_session (greatest(expires_at, cleaned_at)) WHERE cleaned_at IS NOT NULL`,
];

const DOWN = [
  `DROP INDEX upload_session_uncleaned, upload_session_cleaned`,
  `CREATE INDEX upload_session_ended ON upload_session (state, expires_at) WHERE state <> 'open'`,
];

export class Sweeping1764460800000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const statement of UP) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const statement of DOWN) await db.query(statement);
  }
}
