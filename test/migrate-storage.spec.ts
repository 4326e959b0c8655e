import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { pair } from '../src/media/upkeep/pairing.js';
import { StorageMigration, type Migrated } from '../src/media/upkeep/storage-migration.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5 } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { runCommand, type Ended } from './setup/run-command.js';
import { S3Server } from './setup/s3-server.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { urlOf } from './setup/test-server.js';
import { until } from './setup/until.js';

const small = pdf(1000);
/** More than one piece of a multipart upload. */
const large = pdf(9 * 1024 * 1024);
const open = pdf(1_000_000);

let store: S3Server;
let app: TestApp;
let client: Client;

beforeEach(async () => {
  store = await S3Server.start();
  app = await TestApp.start();
  client = await Client.of(app);
  await pair(app.app.get(DataSource), app.app.get(BlobStorage));
});
afterEach(async () => {
  await app.stop();
  await store.stop();
});

/** Another server on the same data, with the bucket. */
async function restart(settings: Record<string, string>): Promise<void> {
  await app.close();
  app = await TestApp.on(app.database, app.config.dataDir, settings);
  client = await Client.of(app);
  await pair(app.app.get(DataSource), app.app.get(BlobStorage));
}

const moving = () => ({ ...store.settings, S3_MIGRATE_FROM: app.config.dataDir });
const migrate = async (): Promise<Migrated> => await app.app.get(StorageMigration).run(() => undefined);
const local = async (area: string) => await readdir(`${app.config.dataDir}/${area}`).catch(() => []);

/** Completes an upload; the path of its file. */
async function put(file: Buffer): Promise<{ id: number; path: string }> {
  const { id, url } = (await client.complete(await client.upload(file), md5(file))).body;
  return { id, path: new URL(url).pathname };
}

async function get(path: string): Promise<Buffer> {
  const response = await fetch(app.url + path);
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function putImage(): Promise<{ image: string; thumbnail: string }> {
  const image = await jpeg(60, 40);
  const { id } = (await client.complete(await client.upload(image), md5(image))).body;
  const media = await until(
    async () => (await client.send('GET', `/api/v2/media/${id}/`)).body,
    (body) => body.image_thumbnail,
  );
  return { image: new URL(media.image).pathname, thumbnail: new URL(media.image_thumbnail.url).pathname };
}

describe('moving to a bucket', () => {
  it('takes every file there, beside a server that goes on, and again after it was cut off', async () => {
    const [one, other] = [await put(small), await put(large)];
    const { image, thumbnail } = await putImage();
    const before = await Promise.all([image, thumbnail].map(get));
    await restart(moving());
    // Old files come from the directory, new ones go to the bucket, and what is deleted is gone from both.
    expect((await get(one.path)).equals(small)).toBe(true);
    const gone = await put(pdf(500));
    await client.send('DELETE', `/api/v2/media/${gone.id}/`);
    const late = await put(pdf(2000));
    expect(store.keys('files/')).toHaveLength(1);
    store.fail('refused', 'PUT', /^files/, Infinity);
    await expect(migrate()).rejects.toThrow();
    store.heal();
    store.fail('garbled', 'PUT', /^thumbnails/);
    await expect(migrate()).rejects.toThrow();
    expect(await migrate()).toMatchObject({ damaged: [], parts: 0 });
    expect(await migrate()).toMatchObject({ moved: 0 });
    expect([await local('files'), await local('thumbnails')]).toEqual([[], []]);
    expect(await local('moved/files')).toHaveLength(3);
    expect([store.keys('files/').length, store.keys('thumbnails/').length]).toEqual([4, 1]);
    await restart(store.settings);
    expect((await get(one.path)).equals(small)).toBe(true);
    expect((await get(other.path)).equals(large)).toBe(true);
    expect((await get(late.path)).equals(pdf(2000))).toBe(true);
    expect(await Promise.all([image, thumbnail].map(get))).toEqual(before);
  });

  it('keeps every acknowledged byte of uploads that are under way', async () => {
    const id = (await client.slice(open, 0, 200_000)).body.upload_id;
    // Alone in its process, this one is announced: its bytes count before the row says so.
    for (const start of [200_000, 400_000]) await client.slice(open, start, start + 200_000, id);
    await restart(moving());
    expect((await client.status(id)).body.offset).toBe('600000');
    const { parts, lastUntil } = await migrate();
    expect(parts).toBeGreaterThan(0);
    expect(lastUntil?.getTime()).toBeGreaterThan(Date.now());
    for (const start of [600_000, 800_000])
      expect((await client.slice(open, start, start + 200_000, id)).status).toBe(201);
    const { status, body } = await client.complete(id, md5(open));
    expect(status).toBe(201);
    expect(await migrate()).toMatchObject({ moved: 0, parts: 0 });
    await restart(store.settings);
    expect((await get(new URL(body.url).pathname)).equals(open)).toBe(true);
  });

  it('leaves a damaged file where it is, and says so', async () => {
    const { path } = await put(small);
    const [, key = ''] = /([0-9a-f]{32})/.exec(path) ?? [];
    await writeFile(`${app.config.dataDir}/files/${key}`, Buffer.alloc(1000));
    await restart(moving());
    expect(await migrate()).toMatchObject({ moved: 0, damaged: [key] });
    expect([await local('files'), store.keys('files/')]).toEqual([[key], []]);
  });

  it('leaves files that cannot be read where they are, moves all others, and says so', async () => {
    const { image, thumbnail } = await putImage();
    const { path } = await put(small);
    await put(large);
    const { dataDir } = app.config;
    const bad = [image, thumbnail, path].map((it) => /([0-9a-f]{32})/.exec(it)?.[1] ?? '');
    const unfound = `${dataDir}/files/${bad[0]}`;
    const unread = [`${dataDir}/thumbnails/${bad[1]}`, `${dataDir}/files/${bad[2]}`];
    await rm(unfound).then(() => symlink(unfound, unfound));
    for (const directory of unread) await rm(directory).then(() => mkdir(directory));
    await restart(moving());
    const { moved, damaged, unreadable } = await migrate();
    expect([moved, damaged]).toEqual([1, []]);
    expect(unreadable.map((words) => words.replace(/: [^:]*$/, '')).sort()).toEqual(
      [`files/${bad[0]}: ELOOP`, `files/${bad[2]}: EISDIR`, `thumbnails/${bad[1]}: EISDIR`].sort(),
    );
    expect((await local('files')).sort()).toEqual([bad[0], bad[2]].sort());
    expect(store.keys('files/')).toHaveLength(1);
  });

  it.each(['before', 'after'] as const)('goes on when a file is deleted %s it is copied', async (place) => {
    const { id } = await put(small);
    const { path } = await put(large);
    await restart(moving());
    const storage: { copy?: unknown } = app.app.get(BlobStorage);
    const copying = Hold.on(storage, 'copy', place);
    const migrating = migrate();
    await copying.reached;
    expect((await client.send('DELETE', `/api/v2/media/${id}/`)).status).toBe(204);
    copying.release();
    expect(await migrating).toMatchObject({ moved: 1, damaged: [], parts: 0 });
    expect((await get(path)).equals(large)).toBe(true);
  });

  it('does not cut a download whose client pauses', async () => {
    // More than the system keeps for a client that does not read.
    const file = pdf(24_000_000);
    const { path } = await put(file);
    await restart(moving());
    const reader = (await fetch(app.url + path)).body?.getReader();
    const read = async () => (await reader?.read())?.value ?? Buffer.alloc(0);
    const got = [await read()];
    expect(await migrate()).toMatchObject({ moved: 1 });
    // No file stays open for longer.
    await sleep(6000);
    for (let piece = await read(); piece.length > 0; piece = await read()) got.push(piece);
    expect(Buffer.concat(got).equals(file)).toBe(true);
  });

  it('is refused into the bucket of another database, and out of what is not a data directory', async () => {
    await put(small);
    store.objects.set('database-id', { bytes: Buffer.from('another'), changedAt: new Date() });
    await expect(restart(moving())).rejects.toThrow(/S3_MIGRATE_FROM, S3_BUCKET: .* different databases/);
    store.objects.clear();
    const nowhere = { ...moving(), S3_MIGRATE_FROM: '/nowhere' };
    await expect(restart(nowhere)).rejects.toThrow('S3_MIGRATE_FROM: /nowhere is not a data directory');
    await restart({});
  });
});

describe('npm run migrate-storage', () => {
  async function run(settings: Record<string, string>, ...args: string[]): Promise<Ended> {
    return await runCommand({ DATABASE_URL: urlOf(app.database), ...settings }, 'migrate-storage', ...args);
  }

  it('moves, and says what comes next', async () => {
    await put(small);
    const { dataDir } = app.config;
    const { code, printed } = await run({ DATA_DIR: dataDir, ...moving() });
    expect(printed).toBe(
      `1 moved\nNothing is left in ${dataDir}: unset S3_MIGRATE_FROM, restart the servers, and remove ${dataDir}/moved\n`,
    );
    expect([code, existsSync(`${dataDir}/moved/files`)]).toEqual([0, true]);
    await client.slice(open, 0, 200_000);
    const again = await run({ DATA_DIR: dataDir, ...moving() });
    expect([again.code, again.printed]).toEqual([
      1,
      expect.stringMatching(/^0 moved\nParts still needed by uploads: 1, .* run this again then\n$/),
    ]);
  });

  it('names what could not be read', async () => {
    const [, key = ''] = /([0-9a-f]{32})/.exec((await put(small)).path) ?? [];
    await put(pdf(2000));
    const { dataDir } = app.config;
    await rm(`${dataDir}/files/${key}`).then(() => mkdir(`${dataDir}/files/${key}`));
    const { code, printed } = await run({ DATA_DIR: dataDir, ...moving() });
    expect([code, printed]).toEqual([
      1,
      expect.stringMatching(`^1 moved\nunreadable: files/${key}: EISDIR: .*, so it was not moved: .*\n$`),
    ]);
  });

  it('says that it needs S3_MIGRATE_FROM', async () => {
    const { code, printed } = await run({});
    expect([code, printed]).toEqual([1, expect.stringMatching(/^[^]*S3_MIGRATE_FROM: must be set/)]);
  });

  it('moves nothing when it is asked for what it does not know', async () => {
    await put(small);
    const settings = { DATA_DIR: app.config.dataDir, ...moving() };
    for (const arg of ['--dry-run', '--help', 'files']) {
      const { code, printed } = await run(settings, arg);
      expect([code, printed]).toEqual([1, expect.stringMatching(/\n\nUsage: npm run migrate-storage\n/)]);
    }
    expect(await local('files')).toHaveLength(1);
  });
});
