import { appendFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { pdf } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;
const file = pdf(5000);

beforeEach(async () => {
  app = await TestApp.start({ ORPHAN_AGE_SECONDS: '1' });
  client = await Client.of(app);
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
