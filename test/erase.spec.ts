import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { MediaService } from '../src/media/library/media.service.js';
import { Erasure, isNothing } from '../src/media/upkeep/erasure.js';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { pair } from '../src/media/upkeep/pairing.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5 } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { runCommand, type Ended } from './setup/run-command.js';
import { S3Server } from './setup/s3-server.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { urlOf } from './setup/test-server.js';
import { until } from './setup/until.js';

const USER = 'user-that-wants-to-go';
const OTHER = 'user-that-stays';
const WEBHOOK = {
  WEBHOOK_URL: 'http://127.0.0.1:9/',
  WEBHOOK_SECRET: 'a secret of webhooks that nobody gets',
};

let app: TestApp;
let store: S3Server | undefined;

beforeEach(async () => {
  app = await TestApp.start(WEBHOOK);
  await pair(app.app.get(DataSource), app.app.get(BlobStorage));
});
afterEach(async () => {
  await app.stop();
  await store?.stop();
  store = undefined;
});

async function finish(by: Client, file: Buffer): Promise<number> {
  return (await by.complete(await by.upload(file), md5(file))).body.id;
}

/** An image with a thumbnail, a document, one upload of each state, and a click on what somebody else has. */
async function fill(by: Client, clicked: number): Promise<void> {
  const image = await finish(by, await jpeg(60, 40, 6));
  await finish(by, pdf(3000));
  await by.slice(pdf(2000), 0, 1000);
  const { body } = await by.slice(pdf(2000), 0, 1000);
  await by.send('DELETE', `/api/v2/media/upload/${body.upload_id}/`);
  await by.send('POST', `/api/v2/media/${clicked}/click/`);
  await until(
    async () => (await by.send('GET', `/api/v2/media/${image}/`)).body.image_thumbnail,
    (thumbnail) => thumbnail,
  );
}

async function erase(...args: string[]): Promise<Ended> {
  return await eraseIn({}, ...args);
}

async function eraseIn(settings: Record<string, string>, ...args: string[]): Promise<Ended> {
  const place = { DATA_DIR: app.config.dataDir, DATABASE_URL: urlOf(app.database) };
  return await runCommand({ ...place, ...WEBHOOK, ...settings }, 'erase', ...args);
}

/** Tables that mention a word in any column. */
async function mentions(word: string): Promise<string[]> {
  const tables = await app.sql<{ name: string }>(
    `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
     WHERE table_schema IN ('public', 'mediadock_jobs') AND table_type = 'BASE TABLE'`,
  );
  const found: string[] = [];
  for (const { name } of tables)
    if ((await app.sql(`SELECT 1 FROM ${name} AS t WHERE t::text LIKE '%${word}%'`)).length > 0)
      found.push(name);
  return found.sort();
}

const files = async () =>
  (
    await Promise.all(
      ['uploads', 'files', 'thumbnails'].map((name) => readdir(join(app.config.dataDir, name))),
    )
  ).flat();

it('erases all of a user and nothing of others, after it has said what there is', async () => {
  const [user, other] = [await Client.of(app, USER), await Client.of(app, OTHER)];
  const kept = await finish(other, pdf(4000));
  await fill(other, kept);
  const keptFiles = (await files()).sort();
  await fill(user, kept);
  const before = await app.state();
  expect(await erase('--user', USER)).toEqual({
    code: 0,
    printed: expect.stringMatching(
      /^User \S+ has 2 media items with 1 thumbnails \(\d+ bytes\), 4 uploads, clicks on 1 media items, 8 events\nNothing was changed/,
    ),
  });
  expect(await app.state()).toEqual(before);
  expect(await mentions(USER)).not.toEqual([]);
  expect(await erase('--user', USER, '--yes')).toMatchObject({
    code: 0,
    printed: expect.stringContaining('Everything has been erased'),
  });
  expect(await mentions(USER)).toEqual([]);
  expect((await files()).sort()).toEqual(keptFiles);
  expect((await other.send('GET', `/api/v2/media/${kept}/`)).status).toBe(200);
  const findings: unknown[] = [];
  for await (const finding of app.app.get(Fsck).check()) findings.push(finding);
  expect(findings).toEqual([]);
});

it('says how to ask', async () => {
  expect(await erase()).toEqual({
    code: 1,
    printed: expect.stringMatching(/^Usage: npm run erase -- --user ID/),
  });
  expect(await erase(USER)).toEqual({
    code: 1,
    printed: expect.stringMatching(/^Unexpected argument [^]*\n\nUsage: npm run erase/),
  });
});

it('goes on when the user deletes something meanwhile', async () => {
  const user = await Client.of(app, USER);
  const media = [await finish(user, pdf(2000)), await finish(user, pdf(3000))];
  const service = app.app.get(MediaService);
  const first = Hold.on(service, 'deleteRow', 'before');
  const erasing = app.app.get(Erasure).erase(USER);
  await first.reached;
  await app.sql('DELETE FROM media WHERE id = ANY ($1)', [media]);
  first.release();
  expect(isNothing((await erasing).left)).toBe(true);
});

it('erases a thumbnail that is made meanwhile', async () => {
  const media = await finish(await Client.of(app, USER), pdf(2000));
  const deletion = Hold.on(app.app.get(MediaService), 'deleteRow', 'before');
  const erasing = app.app.get(Erasure).erase(USER);
  await deletion.reached;
  await writeFile(join(app.config.dataDir, 'thumbnails', 'f'.repeat(32)), 'small');
  await app.sql(`UPDATE media SET thumbnail_key = repeat('f', 32), thumbnail_size = 5 WHERE id = $1`, [
    media,
  ]);
  deletion.release();
  expect(await erasing).toEqual({ left: expect.objectContaining({ media: 0, thumbnails: 0 }), kept: [] });
  expect(await files()).toEqual([]);
});

describe('when the store keeps a file,', () => {
  let user: Client;
  let kept: S3Server;

  beforeEach(async () => {
    kept = store = await S3Server.start();
    await app.stop();
    app = await TestApp.start({ ...WEBHOOK, ...kept.settings });
    await pair(app.app.get(DataSource), app.app.get(BlobStorage));
    user = await Client.of(app, USER);
  });

  it.each([
    ['media item', /^files/, 'media \\d+'],
    ['upload', /^uploads/, 'upload [0-9a-f]{8}…'],
  ])('says which %s is left, erases the rest, and the next run ends it', async (_, key, named) => {
    await finish(user, pdf(2000));
    await finish(user, pdf(3000));
    await user.slice(pdf(4000), 0, 2000);
    await user.slice(pdf(4000), 0, 2000);
    const before = kept.keys('files/').length + kept.keys('uploads/').length;
    kept.fail('denied', 'DELETE', key, 1);
    const { code, printed } = await eraseIn(kept.settings, '--user', USER, '--yes');
    const keys = () => [...kept.keys('files/'), ...kept.keys('uploads/'), ...kept.keys('quarantine/')];
    expect([before, keys().length]).toEqual([4, 1]);
    expect([code, printed]).toEqual([
      1,
      expect.stringMatching(`\n${named}: AccessDenied: .*\n1 media items or uploads could`),
    ]);
    expect(await eraseIn(kept.settings, '--user', USER, '--yes')).toMatchObject({
      code: 0,
      printed: expect.stringContaining('Everything has been erased'),
    });
    expect([keys(), await mentions(USER)]).toEqual([[], []]);
  });

  it('ends when the store is away', async () => {
    await user.slice(pdf(4000), 0, 2000);
    for (const method of ['GET', 'HEAD', 'DELETE']) kept.fail('refused', method, /./, Infinity);
    await expect(app.app.get(Erasure).erase(USER)).rejects.toThrow('The store is not available');
    kept.heal();
    expect(await app.app.get(Erasure).erase(USER)).toMatchObject({ kept: [] });
    expect([kept.keys('uploads/'), await mentions(USER)]).toEqual([[], []]);
  });
});

describe('clicks and events of a user', () => {
  /** Of a user, on media items of another one. */
  async function click(number: number): Promise<void> {
    await app.sql(
      `WITH added AS (
         INSERT INTO media (upload_id, owner_id, key, type, mime, size, md5, sha256)
         SELECT md5(n::text), $2, md5(n::text), 'doc', 'application/pdf', 1, '', '' FROM generate_series(1, $3) n
         RETURNING id)
       INSERT INTO media_click (media_id, user_id) SELECT id, $1 FROM added ORDER BY id DESC`,
      [USER, OTHER, number],
    );
  }

  it('are erased in batches, each well within the limit of a statement', async () => {
    await click(2500);
    await app.sql(
      `INSERT INTO event (type, upload_id, owner_id, subject)
       SELECT 'media.created', md5(n::text), $1, '{}' FROM generate_series(1, 2500) n`,
      [USER],
    );
    await app.sql(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF (SELECT count(*) FROM gone) > 1000 THEN RAISE 'too many at once'; END IF; RETURN NULL; END $$`,
    );
    for (const table of ['media_click', 'event'])
      await app.sql(
        `CREATE TRIGGER refuse AFTER DELETE ON ${table} REFERENCING OLD TABLE AS gone
         FOR EACH STATEMENT EXECUTE FUNCTION refuse()`,
      );
    await app.app.get(Erasure).erase(USER);
    expect(await mentions(USER)).toEqual([]);
    const indexes = await app.sql(`SELECT 1 FROM pg_indexes WHERE indexdef ~ 'media_click .*\\(user_id'`);
    expect(indexes).toHaveLength(1);
  });

  it('are locked in the order in which clicks are counted', async () => {
    await click(2);
    const lock = (way: string) => `SELECT 1 FROM media_click WHERE media_id = (SELECT ${way}(id) FROM media)`;
    const counting = app.app.get(DataSource).createQueryRunner();
    await counting.startTransaction();
    await counting.query(`${lock('min')} FOR UPDATE`);
    const erasing = app.app.get(Erasure).erase(USER);
    await until(
      () => app.sql(`SELECT 1 FROM pg_locks WHERE NOT granted`),
      ({ length }) => length > 0,
    );
    const next: unknown = await counting.query(`${lock('max')} FOR UPDATE SKIP LOCKED`);
    await counting.rollbackTransaction();
    await counting.release();
    await erasing;
    expect(next).toHaveLength(1);
    expect(await mentions(USER)).toEqual([]);
  });
});
