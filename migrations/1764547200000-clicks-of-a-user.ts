import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ClicksOfAUser1764547200000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // For erasing a user.
    await db.query(`CREATE INDEX media_click_user ON media_click (user_id, media_id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX media_click_user`);
  }
}
