import { appendFile, mkdir, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { DataSource } from 'typeorm';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { pair } from '../src/media/upkeep/pairing.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { pdf } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { runCommand } from './setup/run-command.js';
import { TestApp } from './setup/test-app.js';
import { urlOf } from './setup/test-server.js';

let app: TestApp;
let client: Client;
const file = pdf(5000);

beforeEach(async () => {
  app = await TestApp.start({ ORPHAN_AGE_SECONDS: '1' });
  client = await Client.of(app);
  await pair(app.app.get(DataSource), app.app.get(BlobStorage));
});
afterEach(() => app.stop());

async function check(fix = false): Promise<string[]> {
  const faults: string[] = [];
  for await (const finding of app.app.get(Fsck).check()) {
    faults.push(finding.fault);
    if (fix) await finding.fix();
  }
  return faults;
}

/** The path of the part that has the byte at `position`. */
async function partPath(id: string, position = 0): Promise<string> {
  const [row] = await app.sql<{ name: string }>(
    `SELECT name FROM upload_part WHERE upload_id = $1 AND start <= $2 ORDER BY start DESC LIMIT 1`,
    [id, position],
  );
  return `${app.config.dataDir}/uploads/${row!.name}`;
}

/** The path of a finished file, and its Media. */
async function finished(): Promise<{ path: string; id: number; url: string }> {
  const id = await client.upload(file);
  const { body } = await client.complete(id, md5(file));
  const [row] = await app.sql<{ key: string }>(`SELECT key FROM media WHERE id = $1`, [body.id]);
  return { path: `${app.config.dataDir}/files/${row!.key}`, id: body.id, url: body.url };
}

describe('fsck', () => {
  it('is content with open, complete and cancelled uploads, and with bytes past an offset', async () => {
    const open = (await client.slice(file, 0, 3000)).body.upload_id;
    await appendFile(await partPath(open), 'never acknowledged');
    await finished();
    const cancelled = (await client.slice(file, 0, 3000)).body.upload_id;
    await client.send('DELETE', `/api/v2/media/upload/${cancelled}/`);
    expect(await check()).toEqual([]);
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['media-missing', (path) => rm(path)],
    ['media-wrong-size', (path) => truncate(path, 4999)],
    ['media-wrong-hash', (path) => writeFile(path, Buffer.alloc(5000))],
  ])('finds %s, and on request takes the Media away, whole ones never', async (fault, damage) => {
    const [bad, good] = [await finished(), await finished()];
    await damage(bad.path);
    expect(await check()).toEqual([fault]);
    expect(await check(true)).toEqual([fault]);
    expect(await check()).toEqual([]);
    expect((await client.send('GET', `/api/v2/media/${bad.id}/`)).status).toBe(404);
    expect(Buffer.from(await (await fetch(good.url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it('finds an offset that passes the bytes, and sets it back so that the upload can go on', async () => {
    const id = (await client.slice(file, 0, 3000)).body.upload_id;
    await truncate(await partPath(id), 1000);
    expect(await check(true)).toEqual(['upload-short']);
    expect((await client.status(id)).body.offset).toBe('1000');
    await client.slice(file, 1000, 5000, id);
    expect((await client.complete(id, md5(file))).status).toBe(201);
    expect(await check()).toEqual([]);
  });

  it('sets the offset back to the first byte that is missing, whatever later parts have', async () => {
    const there = await Client.of(await app.twin());
    const id = (await client.slice(file, 0, 1000)).body.upload_id;
    await there.slice(file, 1000, 2000, id);
    await client.slice(file, 2000, 3000, id);
    const before = await app.state();
    expect(await check()).toEqual([]);
    expect(await app.state()).toEqual(before);
    await rm(await partPath(id, 1000));
    expect(await check(true)).toEqual(['upload-short']);
    expect((await client.status(id)).body.offset).toBe('1000');
    // The process that wrote last must not continue where it left off.
    expect((await client.slice(file, 3000, 4000, id)).body.code).toBe('mismatching-upload-offset');
    await client.slice(file, 1000, 5000, id);
    expect((await client.complete(id, md5(file))).status).toBe(201);
    Object.assign(app.config.sweep, { orphanAgeSeconds: -1 });
    expect(await check(true)).toEqual(['orphan']);
  });

  it('sets an upload back to its start when nothing is left', async () => {
    const id = (await client.slice(file, 0, 1000)).body.upload_id;
    await rm(await partPath(id));
    expect(await check(true)).toEqual(['upload-short']);
    expect(await check()).toEqual([]);
    expect((await client.slice(file, 0, 5000, id)).body.offset).toBe('5000');
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });

  it('finds files without a row, once they are old enough', async () => {
    await writeFile(`${app.config.dataDir}/uploads/${'e'.repeat(32)}`, 'stray');
    await writeFile(`${app.config.dataDir}/files/${'f'.repeat(32)}`, 'stray');
    expect(await check()).toEqual([]);
    Object.assign(app.config.sweep, { orphanAgeSeconds: -1 });
    expect(await check(true)).toEqual(['orphan', 'orphan']);
    expect(await readdir(`${app.config.dataDir}/uploads`)).toEqual([]);
  });
});

/** Puts in the place of a file what no call can follow, or what can be opened, but not read. */
const UNREADABLE: Record<string, (path: string, id: number) => Promise<void>> = {
  'found, as in a bad directory': async (path) => {
    await rm(path);
    await symlink(path, path);
  },
  'read, as in a bad sector': async (path, id) => {
    await rm(path);
    await mkdir(path);
    await app.sql(`UPDATE media SET size = $2 WHERE id = $1`, [id, (await stat(path)).size]);
  },
};

describe('fsck, on a disk that begins to fail,', () => {
  it.each(Object.entries(UNREADABLE))('names a file that cannot be %s, and goes on', async (_, spoil) => {
    const [bad, missing] = [await finished(), await finished()];
    await spoil(bad.path, bad.id);
    await rm(missing.path);
    const findings = [];
    for await (const finding of app.app.get(Fsck).check()) findings.push(finding);
    expect(findings).toEqual([
      expect.objectContaining({
        fault: 'media-unreadable',
        subject: `media ${bad.id}`,
        detail: expect.stringMatching(/^(ELOOP|EISDIR): /),
        remedy: undefined,
      }),
      expect.objectContaining({ fault: 'media-missing', subject: `media ${missing.id}` }),
    ]);
    expect(await check(true)).toEqual(['media-unreadable', 'media-missing']);
    expect(await check()).toEqual(['media-unreadable']);
  });

  it('names an upload with a part that cannot be found, and goes on', async () => {
    const ids = [];
    for (let i = 0; i < 2; i++) ids.push((await client.slice(file, 0, 3000)).body.upload_id);
    const [bad, short] = await Promise.all(ids.sort().map((id) => partPath(id)));
    await rm(bad!);
    await symlink(bad!, bad!);
    await truncate(short!, 1000);
    expect(await check(true)).toEqual(['upload-unreadable', 'upload-short']);
    expect(await check()).toEqual(['upload-unreadable']);
    expect((await client.status(ids[1])).body.offset).toBe('1000');
  });

  it('ends when no file can be read any more', async () => {
    const media = [];
    for (let i = 0; i < 3; i++) media.push(await finished());
    for (const { path } of media) await rm(path).then(() => symlink(path, path));
    await rm(`${app.config.dataDir}/database-id`);
    await expect(check()).rejects.toThrow(/^The store is not available .*ELOOP/);
  });

  it('ends after many in a row', async () => {
    const { id, path } = await finished();
    await app.sql(
      `INSERT INTO media (upload_id, owner_id, key, type, mime, size, md5, sha256)
       SELECT md5(n::text), owner_id, md5(n::text), type, mime, size, md5, sha256
       FROM media, generate_series(1, 150) n WHERE id = $1`,
      [id],
    );
    await rm(path);
    for (const { key } of await app.sql<{ key: string }>(`SELECT key FROM media`))
      await symlink(key, `${app.config.dataDir}/files/${key}`);
    await expect(check()).rejects.toThrow(/^The store is not available .*ELOOP/);
  });

  it('does not mind a media item that is deleted while it is read', async () => {
    const [gone, missing] = [await finished(), await finished()];
    const reading = Hold.on(app.app.get(BlobStorage), 'withFile', 'before');
    const checking = check();
    await reading.reached;
    expect((await client.send('DELETE', `/api/v2/media/${gone.id}/`)).status).toBe(204);
    await rm(missing.path);
    reading.release();
    expect(await checking).toEqual(['media-missing']);
  });

  it('says what it could not repair, and repairs the rest', async () => {
    const [bad, stuck, missing] = [await finished(), await finished(), await finished()];
    await rm(bad.path).then(() => symlink(bad.path, bad.path));
    await truncate(stuck.path, 4999);
    await mkdir(`${stuck.path.replace('/files/', '/quarantine/')}.damaged`);
    await rm(missing.path);
    const { dataDir } = app.config;
    const place = { DATA_DIR: dataDir, DATABASE_URL: urlOf(app.database) };
    const { code, printed } = await runCommand(place, 'fsck', '--fix');
    expect([code, printed.split('\n').slice(0, 4)]).toEqual([
      1,
      [
        expect.stringMatching(`^media-unreadable: media ${bad.id}: ELOOP: .*; --fix leaves it alone$`),
        expect.stringMatching(`^media-wrong-size: media ${stuck.id}: .*; failed \\(.*\\): delete the row`),
        expect.stringMatching(
          `^media-missing: media ${missing.id}: the file is missing; done: delete the row`,
        ),
        '3 found',
      ],
    ]);
    // Its row is there until its file has been moved.
    expect(await check()).toEqual(['media-unreadable', 'media-wrong-size']);
  });
});
