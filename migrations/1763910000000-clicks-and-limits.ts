import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ClicksAndLimits1763910000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE media ADD COLUMN clicks bigint NOT NULL DEFAULT 0`);
    // Of users that were known; one row for each, since anybody may click as often as they like.
    await db.query(`
      CREATE TABLE media_click (
        media_id   integer     NOT NULL REFERENCES media ON DELETE CASCADE,
        user_id    text        NOT NULL,
        clicks     bigint      NOT NULL DEFAULT 1,
        first_at   timestamptz NOT NULL DEFAULT now(),
        last_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (media_id, user_id)
      )`);
    // Room for uploads that are about to be opened. Of no use after a crash of Postgres, and so not worth a sync.
    await db.query(`
      CREATE UNLOGGED TABLE upload_claim (
        id         text        PRIMARY KEY,
        owner_id   text        NOT NULL,
        total      bigint      NOT NULL,
        expires_at timestamptz NOT NULL
      )`);
    await db.query(`CREATE INDEX upload_claim_owner ON upload_claim (owner_id)`);
    // With the sizes, what a user has stored is summed up without a look at the table.
    await db.query(`DROP INDEX media_owner`);
    await db.query(`CREATE INDEX media_owner ON media (owner_id, id DESC) INCLUDE (size)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP INDEX media_owner`);
    await db.query(`CREATE INDEX media_owner ON media (owner_id, id DESC)`);
    await db.query(`DROP TABLE upload_claim`);
    await db.query(`DROP TABLE media_click`);
    await db.query(`ALTER TABLE media DROP COLUMN clicks`);
  }
}
