import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The schema of graphile-worker: one for each schema that has our tables. */
const JOBS = `
  SELECT quote_ident(CASE current_schema() WHEN 'public' THEN 'mediadock_jobs'
    ELSE left(current_schema(), 58) || '_jobs' END) AS jobs`;

const THUMBNAILS = (jobs: string) => [
  `
      ALTER TABLE media
        -- while the thumbnail is waiting to be made: the priority of its job, so that owners take turns
        ADD thumbnail_turn smallint`,
  `UPDATE media SET thumbnail_turn = 0 WHERE thumbnail_due IS NOT NULL`,
  `
      SELECT ${jobs}.add_job('thumbnail', json_build_object('media', id), max_attempts => 10, flags => '{thumbnail}')
      FROM media WHERE thumbnail_turn IS NOT NULL`,
  `ALTER TABLE media DROP thumbnail_due, DROP thumbnail_attempts`,
  `CREATE INDEX media_thumbnail_owner ON media (owner_id, thumbnail_turn) WHERE thumbnail_turn IS NOT NULL`,
  `CREATE INDEX media_thumbnail_turn ON media (thumbnail_turn) WHERE thumbnail_turn IS NOT NULL`,
];

const EVENTS = [
  // The receivers of WEBHOOK_URL, by a hash of their URLs. While there are none, nothing is recorded.
  `CREATE TABLE webhook (id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{16}$'))`,
  `
      CREATE TABLE event (
        -- events of one upload are in the order of their positions: each is recorded while its row is locked
        position   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id         text        NOT NULL UNIQUE DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
        type       text        NOT NULL,
        upload_id  text        NOT NULL,
        owner_id   text        NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        -- the row that the event is about, as it was then
        subject    jsonb       NOT NULL
      )`,
  `CREATE INDEX event_owner ON event (owner_id)`,
  `
      CREATE TABLE delivery (
        event        bigint      NOT NULL REFERENCES event ON DELETE CASCADE,
        webhook      text        NOT NULL,
        upload_id    text        NOT NULL,
        attempts     smallint    NOT NULL DEFAULT 0,
        -- when to try, or to try again; null: delivered or given up
        due          timestamptz DEFAULT now(),
        delivered_at timestamptz,
        failed_at    timestamptz,
        -- why the last attempt failed
        error        text,
        PRIMARY KEY (event, webhook),
        CHECK (num_nonnulls(due, delivered_at, failed_at) = 1)
      )`,
  // Uploads are in sixteen partitions, by the first digit of their ids.
  `CREATE INDEX delivery_waiting ON delivery (webhook, left(upload_id, 1), event) WHERE due IS NOT NULL`,
  `CREATE INDEX delivery_waiting_upload ON delivery (webhook, upload_id, event) WHERE due IS NOT NULL`,
  `CREATE INDEX delivery_waiting_longest ON delivery (event) WHERE due IS NOT NULL`,
];

/** An event, its deliveries and their jobs are part of the transaction that changes the row. */
const RECORDING = (jobs: string) => [
  `
      CREATE FUNCTION record_event() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
      DECLARE
        subject jsonb;
        upload  text;
        place   bigint;
      BEGIN
        IF NOT EXISTS (SELECT FROM webhook) THEN
          RETURN NULL;
        END IF;
        IF TG_OP = 'DELETE' THEN subject := to_jsonb(OLD); ELSE subject := to_jsonb(NEW); END IF;
        upload := coalesce(subject->>'upload_id', subject->>'id');
        INSERT INTO event (type, upload_id, owner_id, subject)
        VALUES (coalesce(TG_ARGV[0], 'upload.' || (subject->>'state')), upload, subject->>'owner_id',
                subject - '{search,part,tail_part,tail_end,tail_crc,digest,idempotency_key}'::text[])
        RETURNING position INTO place;
        INSERT INTO delivery (event, webhook, upload_id) SELECT place, id, upload FROM webhook;
        -- The jobs of a queue run one after another, so no two deliver the events of one upload.
        PERFORM ${jobs}.add_job('webhook ' || id, json_build_object('partition', left(upload, 1)), id || ' ' || left(upload, 1),
          flags => ARRAY['webhook ' || id]) FROM webhook;
        RETURN NULL;
      END $$`,
  `CREATE TRIGGER upload_created AFTER INSERT ON upload_session
      FOR EACH ROW EXECUTE FUNCTION record_event('upload.created')`,
  `CREATE TRIGGER upload_ended AFTER UPDATE OF state ON upload_session
      FOR EACH ROW WHEN (OLD.state = 'open' AND NEW.state IN ('rejected', 'cancelled', 'expired'))
      EXECUTE FUNCTION record_event()`,
  `CREATE TRIGGER media_created AFTER INSERT ON media
      FOR EACH ROW EXECUTE FUNCTION record_event('media.created')`,
  `CREATE TRIGGER media_thumbnail_ready AFTER UPDATE OF thumbnail_key ON media
      FOR EACH ROW WHEN (OLD.thumbnail_key IS NULL AND NEW.thumbnail_key IS NOT NULL)
      EXECUTE FUNCTION record_event('media.thumbnail_ready')`,
  `CREATE TRIGGER media_deleted AFTER DELETE ON media
      FOR EACH ROW EXECUTE FUNCTION record_event('media.deleted')`,
];

export class Events1764374400000 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    const [{ jobs }] = (await db.query(JOBS)) as [{ jobs: string }];
    for (const statement of [...THUMBNAILS(jobs), ...EVENTS, ...RECORDING(jobs)]) await db.query(statement);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP FUNCTION record_event() CASCADE`);
    await db.query(`DROP TABLE delivery, event, webhook`);
    await db.query(
      `ALTER TABLE media ADD thumbnail_due timestamptz, ADD thumbnail_attempts smallint NOT NULL DEFAULT 0`,
    );
    await db.query(`UPDATE media SET thumbnail_due = now() WHERE thumbnail_turn IS NOT NULL`);
    await db.query(`ALTER TABLE media DROP thumbnail_turn`);
    await db.query(
      `CREATE INDEX media_thumbnail_due ON media (owner_id, thumbnail_due) WHERE thumbnail_due IS NOT NULL`,
    );
  }
}
