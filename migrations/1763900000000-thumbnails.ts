import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Thumbnails1763900000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE media
        -- name of the file, which is public
        ADD COLUMN thumbnail_key      text     UNIQUE,
        ADD COLUMN thumbnail_width    integer,
        ADD COLUMN thumbnail_height   integer,
        -- dominant colour of the image, #rrggbb
        ADD COLUMN thumbnail_color    text,
        -- when it is to be made, or tried again; null: it is there, or none can be made, or there is no image
        ADD COLUMN thumbnail_due      timestamptz,
        ADD COLUMN thumbnail_attempts smallint NOT NULL DEFAULT 0`);
    await db.query(
      `CREATE INDEX media_thumbnail_due ON media (thumbnail_due) WHERE thumbnail_due IS NOT NULL`,
    );
    await db.query(`UPDATE media SET thumbnail_due = now() WHERE type <> 'doc'`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX media_thumbnail_due`);
    await db.query(`
      ALTER TABLE media
        DROP COLUMN thumbnail_key,
        DROP COLUMN thumbnail_width,
        DROP COLUMN thumbnail_height,
        DROP COLUMN thumbnail_color,
        DROP COLUMN thumbnail_due,
        DROP COLUMN thumbnail_attempts`);
  }
}
