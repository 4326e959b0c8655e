import type { MigrationInterface, QueryRunner } from 'typeorm';

export class UploadsAndMedia1763800000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    // The id of the directory that holds the bytes: one row.
    await db.query(`
      CREATE TABLE data_directory (
        id   text    NOT NULL,
        sole boolean PRIMARY KEY DEFAULT true CHECK (sole)
      )`);
    await db.query(`
      CREATE TABLE media (
        id          integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        -- the upload it came from: one session makes at most one media
        upload_id   text        NOT NULL UNIQUE,
        owner_id    text        NOT NULL,
        key         text        NOT NULL UNIQUE,
        added_at    timestamptz NOT NULL DEFAULT now(),
        type        text        NOT NULL CHECK (type IN ('image', 'eimage', 'doc')),
        title       text,
        description text,
        mime        text        NOT NULL,
        size        bigint      NOT NULL CHECK (size > 0),
        md5         text        NOT NULL,
        sha256      text        NOT NULL,
        width       integer,
        height      integer
      )`);
    await db.query(`CREATE INDEX media_owner ON media (owner_id, id DESC)`);
    await db.query(`
      CREATE TABLE upload_session (
        id            text        PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
        owner_id      text        NOT NULL,
        state         text        NOT NULL DEFAULT 'open'
                      CHECK (state IN ('open', 'complete', 'cancelled', 'expired', 'rejected')),
        total         bigint      NOT NULL CHECK (total > 0),
        "offset"      bigint      NOT NULL DEFAULT 0 CHECK ("offset" BETWEEN 0 AND total),
        -- name of the finished file, which is public: derived from the id by a one-way hash
        key           text        NOT NULL UNIQUE,
        file_name     text,
        -- media type told from the first chunk; null while the bytes do not tell yet
        mime          text,
        -- why the content was refused: {"code", "detail"}
        rejection     jsonb,
        created_at    timestamptz NOT NULL DEFAULT now(),
        expires_at    timestamptz NOT NULL,
        -- false: the client asked for a fixed time, which chunks do not put off
        expiry_slides boolean     NOT NULL,
        -- deleting the media deletes the session it came from
        media_id      integer     UNIQUE REFERENCES media ON DELETE CASCADE,
        -- when the staged bytes were removed, for sessions that ended without a media
        cleaned_at    timestamptz,
        CHECK ((state = 'complete') = (media_id IS NOT NULL))
      ) WITH (fillfactor = 70)`);
    await db.query(
      `CREATE INDEX upload_session_owner ON upload_session (owner_id, created_at DESC) WHERE state = 'open'`,
    );
    await db.query(`CREATE INDEX upload_session_expiry ON upload_session (expires_at) WHERE state = 'open'`);
    await db.query(
      `CREATE INDEX upload_session_ended ON upload_session (state, expires_at) WHERE state <> 'open'`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE upload_session`);
    await db.query(`DROP TABLE media`);
    await db.query(`DROP TABLE data_directory`);
  }
}
