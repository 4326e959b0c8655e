import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Tails1763940000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE upload_session
        -- end of the chunk that the writer announced last, which begins at the offset: its bytes may be there or not
        ADD COLUMN tail_end bigint CHECK (tail_end > "offset" AND tail_end < total),
        -- CRC-32 of that chunk
        ADD COLUMN tail_crc bigint,
        ADD CHECK ((tail_end IS NULL) = (tail_crc IS NULL))`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`ALTER TABLE upload_session DROP COLUMN tail_end, DROP COLUMN tail_crc`);
  }
}
