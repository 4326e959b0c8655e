import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { DataSource } from 'typeorm';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { pair } from '../src/media/upkeep/pairing.js';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5 } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { realStore } from './setup/real-store.js';
import { S3Server } from './setup/s3-server.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const file = pdf(1_000_000);

let server: S3Server;
let app: TestApp;
let client: Client;

beforeAll(async () => void (server = await S3Server.start()));
afterAll(() => server.stop());
afterEach(async () => {
  server.heal();
  await app.stop();
});

async function begin(settings: Record<string, string>): Promise<void> {
  const prefix = `test/${randomBytes(8).toString('hex')}`;
  app = await TestApp.start({ ...settings, S3_PREFIX: prefix });
  client = await Client.of(app);
}

const storage = (): BlobStorage => app.app.get(BlobStorage);

async function names(area: 'uploads' | 'files' | 'quarantine'): Promise<string[]> {
  const all: string[] = [];
  for await (const batch of storage().listOld(area, -86_400, 100)) all.push(...batch);
  return all;
}

async function check(): Promise<string[]> {
  const faults: string[] = [];
  for await (const { fault, fix } of app.app.get(Fsck).check()) {
    faults.push(fault);
    await fix();
  }
  return faults;
}

const sweep = () => app.app.get(Sweeper).sweep();

const stores: [string, () => Record<string, string>][] = [['an S3 of our own', () => server.settings]];
const real = realStore();
if (real) stores.push(['a real S3', () => real]);
else it.skip('a real S3: none is given by TEST_S3_ENDPOINT', () => undefined);

describe.each(stores)('with STORAGE=s3, in %s,', (_, settings) => {
  beforeEach(() => begin(settings()));

  it('a file goes up in chunks, through two servers, and comes back', async () => {
    const twin = new Client((await app.twin()).url, client.token);
    const id = (await client.slice(file, 0, 200_000)).body.upload_id;
    for (let start = 200_000, i = 0; start < file.length; start += 200_000, i++) {
      const through = i % 3 === 0 ? twin : client;
      const answer = await through.slice(file, start, start + 200_000, id);
      expect([answer.status, answer.body.offset]).toEqual([201, String(start + 200_000)]);
      // Nothing is announced: each chunk counts when it is answered.
      expect(await app.sql(`SELECT tail_part FROM upload_session WHERE part IS NOT NULL`)).toEqual([
        { tail_part: null },
      ]);
    }
    expect((await client.slice(file, 200_000, 400_000, id)).status).toBe(201);
    expect((await client.slice(Buffer.from(file).fill(1), 0, 10, id)).status).toBe(409);
    expect((await client.status(id)).body).toMatchObject({ offset: '1000000', state: 'open' });
    expect(await names('uploads')).toHaveLength(5);
    const { status, body } = await client.complete(id, md5(file));
    expect(status).toBe(201);
    await until(
      () => names('uploads'),
      (left) => left.length === 0,
    );
    expect((await client.slice(file, 0, 200_000, id)).status).toBe(201);
    expect((await twin.complete(id, md5(file))).body.id).toBe(body.id);
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
    expect(await readdir(`${app.config.dataDir}/scratch`)).toEqual([]);
  });

  it('a completion does not wait until its parts are gone', async () => {
    const id = await client.upload(file, { chunkBytes: 200_000 });
    const hold = Hold.on(storage(), 'removeAll', 'before');
    expect((await client.complete(id, md5(file))).status).toBe(201);
    expect(await names('uploads')).toHaveLength(5);
    hold.release();
    await until(
      () => names('uploads'),
      (left) => left.length === 0,
    );
  });

  it('downloads know ranges and conditions', async () => {
    const { url } = (await client.complete(await client.upload(file), md5(file))).body;
    const ask = (headers: Record<string, string>, method = 'GET') => fetch(url, { method, headers });
    const range = await ask({ range: 'bytes=10-19' });
    expect([range.status, range.headers.get('content-range')]).toEqual([206, 'bytes 10-19/1000000']);
    expect(Buffer.from(await range.arrayBuffer())).toEqual(file.subarray(10, 20));
    const head = await ask({}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '1000000']);
    const etag = head.headers.get('etag') ?? '';
    expect((await ask({ 'if-none-match': etag, 'cache-control': 'max-age=0' })).status).toBe(304);
    expect((await ask({ 'if-match': '"other"' })).status).toBe(412);
    expect((await ask({ range: 'bytes=1000000-' })).status).toBe(416);
  });

  it('an image is stripped and has a thumbnail; deleted, all is gone', async () => {
    const image = await jpeg(300, 200, 6);
    const { body } = await client.complete(await client.upload(image), md5(image));
    const { image_thumbnail: thumbnail } = await until(
      async () => (await client.send('GET', `/api/v2/media/${body.id}/`)).body,
      (media) => media.image_thumbnail,
    );
    const { status, headers } = await fetch(thumbnail.url);
    expect([status, headers.get('content-type')]).toEqual([200, 'image/webp']);
    expect((await client.send('DELETE', `/api/v2/media/${body.id}/`)).status).toBe(204);
    expect((await fetch(body.image)).status).toBe(404);
    expect([...(await names('files')), ...(await names('uploads'))]).toEqual([]);
  });

  it('a cancelled upload is gone, an expired one is swept, an orphan is set aside', async () => {
    const cancelled = (await client.slice(file, 0, 1000)).body.upload_id;
    await client.send('DELETE', `/api/v2/media/upload/${cancelled}/`);
    expect(await names('uploads')).toEqual([]);
    await client.slice(file, 0, 1000);
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second'`);
    await storage().put('files', 'f'.repeat(32), Buffer.from('stray'));
    expect(await sweep()).toMatchObject({ expired: 1, cleaned: 1 });
    Object.assign(app.config.sweep, { orphanAgeSeconds: -60 });
    await sweep();
    expect([await names('uploads'), await names('files')]).toEqual([[], []]);
    expect(await names('quarantine')).toEqual(['f'.repeat(32)]);
  });

  it('a file is set aside however large it is', async () => {
    const bytes = Buffer.alloc(2 * S3Server.MAX_COPY_BYTES + 3, 'end');
    const name = 'e'.repeat(32);
    await storage().put('files', name, bytes);
    for (let i = 0; i < 2; i++) await storage().move('files', name, 'quarantine', name);
    expect([await names('files'), await names('quarantine')]).toEqual([[], [name]]);
    const read = async (at: number) => (await storage().read('quarantine', name, at, 64))?.toString();
    expect(await storage().size('quarantine', name)).toBe(bytes.length);
    for (const at of [0, S3Server.MAX_COPY_BYTES - 32, 2 * S3Server.MAX_COPY_BYTES - 32])
      expect(await read(at)).toBe(bytes.subarray(at, at + 64).toString());
  });

  it('fsck finds what is missing, and what is damaged', async () => {
    // The parts that it takes off an upload are orphans, but not yet, however slow the machine.
    Object.assign(app.config.sweep, { orphanAgeSeconds: 3600 });
    const id = await client.upload(file, { chunkBytes: 200_000 });
    const [part] = await app.sql<{ name: string }>(`SELECT name FROM upload_part WHERE start = 400000`);
    const media = (await client.complete(await client.upload(pdf(5000)), md5(pdf(5000)))).body;
    expect(await check()).toEqual([]);
    await storage().remove('uploads', part?.name ?? '');
    const [row] = await app.sql<{ key: string }>(`SELECT key FROM media`);
    await storage().move('files', row?.key ?? '', 'quarantine', row?.key ?? '');
    expect(await check()).toEqual(['media-missing', 'upload-short']);
    expect((await fetch(media.url)).status).toBe(200);
    expect((await client.status(id)).body.offset).toBe('400000');
    await storage().move('files', row?.key ?? '', 'quarantine', 'away');
    await storage().put('files', row?.key ?? '', Buffer.alloc(5000));
    expect(await check()).toEqual(['media-wrong-hash']);
  });

  it('a database that never saw the bucket is refused', async () => {
    await pair(app.app.get(DataSource), storage());
    await client.upload(pdf(100));
    await pair(app.app.get(DataSource), storage());
    const other = await TestApp.start();
    await expect(pair(other.app.get(DataSource), storage())).rejects.toThrow(
      /^[^]*S3_BUCKET, DATABASE_URL: /,
    );
    await other.stop();
  });
});

describe('while the store fails', () => {
  beforeEach(() => begin(server.settings));

  it('chunks wait, and the server says that it is not ready, until the store is back', async () => {
    const id = (await client.slice(file, 0, 200_000)).body.upload_id;
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) server.fail('refused', method, /./, Infinity);
    const answer = await client.slice(file, 200_000, 400_000, id);
    expect([answer.status, answer.body.action]).toEqual([503, 'wait']);
    expect((await client.send('GET', '/health/ready')).status).toBe(503);
    server.heal();
    await until(
      () => client.send('GET', '/health/ready'),
      ({ status }) => status === 200,
    );
    expect((await client.slice(file, 200_000, 400_000, id)).status).toBe(201);
    expect((await client.slice(file, 400_000, file.length, id)).status).toBe(413);
    for (let start = 400_000; start < file.length; start += 200_000)
      expect((await client.slice(file, start, start + 200_000, id)).status).toBe(201);
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });

  it.each(['refused', 'silent'] as const)('%s for a while, it is soon ready again', async (fault) => {
    const isReady = async () => (await client.send('GET', '/health/ready')).status;
    for (const method of ['GET', 'HEAD', 'PUT']) server.fail(fault, method, /./, Infinity);
    await until(isReady, (status) => status === 503);
    server.heal();
    const back = performance.now();
    await until(isReady, (status) => status === 200);
    expect((await client.slice(file, 0, 200_000)).status).toBe(201);
    expect(performance.now() - back).toBeLessThan(15_000);
  });

  it('answers are cut, garbled and lost, and every file comes back whole', async () => {
    const id = await client.upload(file, { chunkBytes: 200_000 });
    server.fail('cut', 'GET', /uploads/, 3);
    server.fail('lost', 'PUT', /files/);
    const { body } = await client.complete(id, md5(file));
    server.fail('cut', 'GET', /files/, 2);
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
    server.fail('garbled', 'PUT', /uploads/);
    expect((await client.slice(file, 0, 200_000)).status).toBe(503);
    expect((await client.slice(file, 0, 200_000)).status).toBe(201);
  });

  it('a download that cannot go on is cut, not completed', async () => {
    const { body } = await client.complete(await client.upload(file), md5(file));
    server.fail('cut', 'GET', /files/);
    server.fail('refused', 'GET', /files/, Infinity);
    const response = await fetch(body.url);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow();
  });

  it('clients that leave before the store has answered do not take memory from those that come', async () => {
    const small = pdf(250_000);
    const { url } = (await client.complete(await client.upload(small), md5(small))).body;
    server.fail('slow', 'GET', /files/);
    const leave = async () => await fetch(url, { signal: AbortSignal.timeout(150) }).catch(() => undefined);
    // More than all bytes that slow clients may hold.
    await Promise.all(Array.from({ length: 150 }, leave));
    await (await fetch(url)).arrayBuffer();
    const { length } = server.requests;
    await (await fetch(url)).arrayBuffer();
    expect(server.requests.slice(length)).toEqual([]);
  });

  it('a download waits no longer than a proxy for a store that is silent', async () => {
    const { url } = (await client.complete(await client.upload(file), md5(file))).body;
    server.fail('silent', 'GET', /files/, Infinity);
    const asked = performance.now();
    expect((await fetch(url)).status).toBe(503);
    expect(performance.now() - asked).toBeLessThan(18_000);
  }, 40_000);

  it('a download goes on after an answer that was cut and had no length', async () => {
    const { url } = (await client.complete(await client.upload(file), md5(file))).body;
    server.fail('vague', 'GET', /files/, 2);
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it('the 404 of a lost proxy, or bucket, does not mean that files are missing', async () => {
    const { url } = (await client.complete(await client.upload(file), md5(file))).body;
    for (const method of ['GET', 'HEAD', 'DELETE']) server.fail('astray', method, /./, Infinity);
    expect((await fetch(url)).status).toBe(503);
    expect((await client.send('GET', '/health/ready')).status).toBe(503);
    await expect(check()).rejects.toThrow();
    server.heal();
    expect(await check()).toEqual([]);
    expect((await fetch(url)).status).toBe(200);
  });
});
