import type { MigrationInterface, QueryRunner } from 'typeorm';

const MEDIA = [
  // The id of the directory that holds the bytes: one row.
  `
      CREATE TABLE data_directory (
        id   text    NOT NULL,
        sole boolean PRIMARY KEY DEFAULT true CHECK (sole)
      )`,
  `
      CREATE TABLE media (
        id                 integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        -- the upload it came from: one session makes at most one media
        upload_id          text        NOT NULL UNIQUE,
        owner_id           text        NOT NULL,
        -- name of the file, which is public
        key                text        NOT NULL UNIQUE,
        added_at           timestamptz NOT NULL DEFAULT now(),
        type               text        NOT NULL CHECK (type IN ('image', 'eimage', 'doc')),
        title              text,
        description        text,
        -- what searches look at; the collation knows all letters, whatever the database was made with
        search             text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (
          lower(coalesce(title, '') || E'\\n' || coalesce(description, '') COLLATE "und-x-icu")) STORED,
        mime               text        NOT NULL,
        -- of a text: a name of the WHATWG Encoding Standard
        charset            text,
        size               bigint      NOT NULL CHECK (size > 0),
        md5                text        NOT NULL,
        sha256             text        NOT NULL,
        width              integer,
        height             integer,
        clicks             bigint      NOT NULL DEFAULT 0,
        -- name of the thumbnail's file, which is public
        thumbnail_key      text        UNIQUE,
        thumbnail_size     bigint,
        thumbnail_width    integer,
        thumbnail_height   integer,
        -- dominant colour of the image, #rrggbb
        thumbnail_color    text,
        -- when to make it, or to try again; null: it is there, or there is nothing to make
        thumbnail_due      timestamptz,
        thumbnail_attempts smallint    NOT NULL DEFAULT 0
      )`,
  // With the sizes, the bytes that a user has stored are summed up from the index alone.
  `CREATE INDEX media_owner ON media (owner_id, id DESC) INCLUDE (size, thumbnail_size)`,
  // Owners take turns.
  `CREATE INDEX media_thumbnail_due ON media (owner_id, thumbnail_due) WHERE thumbnail_due IS NOT NULL`,
  // Extensions are not everybody's to make. Without this one a search reads all texts of its user.
  `
      DO $$ BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX media_search ON media USING gin (search gin_trgm_ops);
      EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR undefined_file OR undefined_object THEN
        RAISE NOTICE 'Searches have no index: %', SQLERRM;
      END $$`,
  // One row per known user, since anybody may click as often as they like.
  `
      CREATE TABLE media_click (
        media_id integer     NOT NULL REFERENCES media ON DELETE CASCADE,
        user_id  text        NOT NULL,
        clicks   bigint      NOT NULL DEFAULT 1,
        first_at timestamptz NOT NULL DEFAULT now(),
        last_at  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (media_id, user_id)
      )`,
];

const UPLOADS = [
  `
      CREATE TABLE upload_session (
        id              text        PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
        owner_id        text        NOT NULL,
        state           text        NOT NULL DEFAULT 'open'
                        CHECK (state IN ('open', 'complete', 'cancelled', 'expired', 'rejected')),
        total           bigint      NOT NULL CHECK (total > 0),
        -- bytes that are acknowledged and durable
        "offset"        bigint      NOT NULL CHECK ("offset" BETWEEN 0 AND total),
        -- name of the last part; null while a chunk is announced
        part            text,
        -- the announced chunk: it starts at the offset, and its bytes may be there or not (decisions/005)
        tail_part       text,
        tail_end        bigint      CHECK (tail_end > "offset" AND tail_end < total),
        -- CRC-32 of its bytes
        tail_crc        bigint,
        file_name       text,
        -- media type detected from the first bytes; null while they do not tell yet
        mime            text,
        -- of all bytes, once a completion has failed: {"size", "md5", "sha256", …}
        digest          jsonb,
        -- why the content was refused: {"code", "detail"}
        rejection       jsonb,
        created_at      timestamptz NOT NULL DEFAULT now(),
        expires_at      timestamptz NOT NULL,
        -- false: the client asked for a fixed time, which chunks do not extend
        expiry_slides   boolean     NOT NULL,
        idempotency_key text,
        -- deleting the media deletes the session it came from
        media_id        integer     UNIQUE REFERENCES media ON DELETE CASCADE,
        -- when the parts of an ended session were removed
        cleaned_at      timestamptz,
        CHECK ((state = 'complete') = (media_id IS NOT NULL)),
        CHECK (num_nulls(tail_part, tail_end, tail_crc) IN (0, 3)),
        CHECK ((part IS NULL) = (tail_part IS NOT NULL))
      ) WITH (fillfactor = 70)`,
  `CREATE INDEX upload_session_owner ON upload_session (owner_id, created_at DESC) WHERE state = 'open'`,
  `CREATE INDEX upload_session_expiry ON upload_session (expires_at) WHERE state = 'open'`,
  `CREATE INDEX upload_session_ended ON upload_session (state, expires_at) WHERE state <> 'open'`,
  // Originals that are kept for retries count towards what their user has stored.
  `
      CREATE INDEX upload_session_kept ON upload_session (owner_id) INCLUDE (total)
      WHERE state = 'complete' AND cleaned_at IS NULL`,
  // An upload that has ended without a media leaves its key to the next one.
  `
      CREATE UNIQUE INDEX upload_session_idempotency_key ON upload_session (owner_id, idempotency_key)
      WHERE idempotency_key IS NOT NULL AND state IN ('open', 'complete')`,
  // A part has the bytes from its start to the start of the next one, or to the offset of the session.
  `
      CREATE TABLE upload_part (
        upload_id text   NOT NULL REFERENCES upload_session ON DELETE CASCADE,
        start     bigint NOT NULL CHECK (start >= 0),
        name      text   NOT NULL UNIQUE,
        PRIMARY KEY (upload_id, start)
      )`,
];

export class UploadsAndMedia1764288000000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const statement of [...MEDIA, ...UPLOADS]) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE upload_part, upload_session, media_click, media, data_directory`);
  }
}
