import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IdempotencyKeys1763920000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE upload_session ADD COLUMN idempotency_key text`);
    // An upload that has ended without a media leaves its key to the next one.
    await db.query(`
      CREATE UNIQUE INDEX upload_session_idempotency_key ON upload_session (owner_id, idempotency_key)
      WHERE idempotency_key IS NOT NULL AND state IN ('open', 'complete')`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE upload_session DROP COLUMN idempotency_key`);
  }
}
