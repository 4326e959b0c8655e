import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Writers1763930000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE upload_session
        -- the process that opened the upload, and alone writes to its file; null: any, under the lock of the row
        ADD COLUMN writer text,
        -- name of the bytes while the upload is open, once another process has taken it over; null: the id
        ADD COLUMN file   text`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE upload_session DROP COLUMN writer, DROP COLUMN file`);
  }
}
