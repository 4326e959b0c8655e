import { jest } from '@jest/globals';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import sharp, { type Sharp } from 'sharp';
import { ImageCodec } from '../src/media/images/image-codec.js';
import { Thumbnails } from '../src/media/images/thumbnails.js';
import { Jobs } from '../src/jobs/jobs.js';
import { Database } from '../src/database/database.js';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5 } from './setup/client.js';
import { Hold, seen } from './setup/hold.js';
import { animation, pngChunk, quarters } from './setup/images.js';
import { jpeg, noise, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

let app: TestApp;
let client: Client;

beforeEach(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterEach(() => app.stop());

async function complete(file: Buffer, more: Record<string, unknown> = {}, by = client) {
  const { body } = await by.complete(await by.upload(file), md5(file), more);
  return body;
}

const media = async (id: number) => (await client.send('GET', `/api/v2/media/${id}/`)).body;

async function thumbnail(id: number) {
  const { image_thumbnail } = await until(
    () => media(id),
    (body) => body.image_thumbnail,
  );
  return image_thumbnail;
}

const files = () => readdir(`${app.config.dataDir}/thumbnails`);

interface JobRow {
  /** Null once nothing is to be made. */
  readonly turn: number | null;
  readonly attempts: number | null;
  readonly waits: number | null;
}

const jobs = () =>
  app.sql<JobRow>(
    `SELECT thumbnail_turn AS turn, attempts, extract(epoch FROM run_at - now())::float8 AS waits
     FROM media LEFT JOIN mediadock_jobs._private_jobs ON (payload->>'media')::integer = media.id ORDER BY media.id`,
  );
const done = (all: readonly JobRow[]) =>
  all.every(({ turn, attempts }) => turn === null && attempts === null);

/** Has the jobs that wait for their next attempt done now. */
const retry = () =>
  app.sql(
    `WITH due AS (UPDATE mediadock_jobs._private_jobs SET run_at = now() WHERE locked_at IS NULL)
     SELECT pg_notify('jobs:insert', '{"count":1}')`,
  );

/** A PNG whose structure is right and whose pixels are not. */
async function damaged(): Promise<Buffer> {
  const png = await quarters(60, 40).png().toBuffer();
  return Buffer.concat([
    png.subarray(0, 33),
    pngChunk('IDAT', noise(500)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('a thumbnail', () => {
  it('is there soon after completion, a WebP of the longest side that is set, for everybody', async () => {
    const red = sharp({ create: { width: 1500, height: 1000, channels: 3, background: '#c81828' } });
    const body = await complete(await red.jpeg().toBuffer());
    const { url, ...rest } = await thumbnail(body.id);
    expect(rest).toEqual({
      width: 512,
      height: 341,
      color: '#c81828',
    });
    expect(url).toMatch(new RegExp(`^${app.url}/thumbnails/[0-9a-f]{32}\\.webp$`));
    expect(url).not.toContain(/files\/([0-9a-f]+)/.exec(body.image)![1]);
    const response = await fetch(url, { headers: { origin: 'https://elsewhere.example' } });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/webp',
      'cache-control': 'public, max-age=31536000, immutable',
      'cross-origin-resource-policy': 'cross-origin',
      'content-security-policy': "sandbox; default-src 'none'",
      'access-control-allow-origin': '*',
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width: 512, height: 341 });
  });

  it('is never larger than the image, and upright', async () => {
    const { width, height } = await thumbnail((await complete(await jpeg(60, 40, 6))).id);
    expect([width, height]).toEqual([40, 60]);
  });

  it('of an upload that keeps its EXIF is upright too, within the side that is set', async () => {
    const own = await TestApp.start({ IMAGE_METADATA: 'keep', THUMBNAIL_MAX_SIDE: '30' });
    const by = await Client.of(own);
    const file = await jpeg(60, 40, 6);
    const { id } = (await by.complete(await by.upload(file), md5(file))).body;
    const get = async () => (await by.send('GET', `/api/v2/media/${id}/`)).body.image_thumbnail;
    expect(await until(get, (found) => found)).toMatchObject({ width: 20, height: 30 });
    await own.stop();
  });

  it('of an animation is its first frame', async () => {
    const { url, color } = await thumbnail((await complete(await animation('gif'))).id);
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect((await sharp(bytes).metadata()).pages).toBeUndefined();
    expect(color).toMatch(/^#3\w3\w3\w$/);
  });

  it('takes what is clear for white', async () => {
    const clear = sharp({
      create: { width: 50, height: 50, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    });
    expect((await thumbnail((await complete(await clear.png().toBuffer())).id)).color).toMatch(
      /^#f\wf\wf\w$/,
    );
  });

  describe('of 16 bits', () => {
    /** The colour of a pixel, and the dominant one. */
    const seen = async (file: Buffer) => {
      const { url, color } = await thumbnail((await complete(file)).id);
      const pixels = await sharp(Buffer.from(await (await fetch(url)).arrayBuffer()))
        .removeAlpha()
        .raw()
        .toBuffer();
      return [...pixels.subarray(0, 3), ...Buffer.from(color.slice(1), 'hex')];
    };
    const orange = (alpha?: number) => {
      const background = { r: 230, g: 60, b: 20, ...(alpha && { alpha }) };
      return sharp({ create: { width: 50, height: 40, channels: alpha ? 4 : 3, background } });
    };
    const deep = async (image: Sharp) =>
      await sharp(await image.png().toBuffer())
        .keepMetadata()
        .toColourspace('rgb16')
        .png()
        .toBuffer();

    it.each<[string, () => Sharp]>([
      ['with a profile', () => orange().withIccProfile('p3')],
      ['with a profile, turned', () => orange().withMetadata({ orientation: 6, icc: 'p3' })],
      ['half clear, with a profile', () => orange(0.5).withIccProfile('p3')],
      ['without a profile', orange],
    ])('%s has the colours of 8 bits', async (_, image) => {
      const file = await deep(image());
      expect(await sharp(file).metadata()).toMatchObject({ depth: 'ushort' });
      const [colours, expected] = [await seen(file), await seen(await image().png().toBuffer())];
      for (const [i, value] of colours.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(5);
    });
  });

  it('is not made of documents, nor of images that are to be documents', async () => {
    await complete(pdf(500));
    await complete(await jpeg(60, 40), { type: 'doc' });
    await thumbnail((await complete(await jpeg(60, 40))).id);
    expect(await files()).toHaveLength(1);
    expect((await jobs()).map(({ turn }) => turn)).toEqual([null, null, null]);
  });

  it('goes with its Media', async () => {
    const { id } = await complete(await jpeg(60, 40));
    const { url } = await thumbnail(id);
    await client.send('DELETE', `/api/v2/media/${id}/`);
    expect((await fetch(url)).status).toBe(404);
    expect([await files(), await readdir(`${app.config.dataDir}/files`)]).toEqual([[], []]);
  });

  it.each(['x', '0'.repeat(32), `${'0'.repeat(32)}.webp`, '..%2fjwt-secret'])('%s is 404', async (name) => {
    expect((await fetch(`${app.url}/thumbnails/${name}`)).status).toBe(404);
  });
});

describe('the job of a thumbnail', () => {
  /** As a crash leaves it: completed, and nothing made. */
  const undo = async (ids: readonly number[]) => {
    await app.sql(`UPDATE media SET thumbnail_key = NULL`);
    await Promise.all((await files()).map((name) => rm(`${app.config.dataDir}/thumbnails/${name}`)));
    for (const id of ids) await app.app.get(Thumbnails).order(app.app.get(Database), id);
  };

  it('survives a restart', async () => {
    const { id } = await complete(await jpeg(60, 40));
    await thumbnail(id);
    await app.app.get(Jobs).onModuleDestroy();
    await undo([id]);
    // As of a process that was killed: nobody holds the lock that says it is alive.
    await app.sql(
      `UPDATE mediadock_jobs._private_jobs SET locked_by = 'pool-killed', locked_at = now() - interval '6 seconds'`,
    );
    app = await app.restart();
    client = await Client.of(app);
    await thumbnail(id);
    await until(jobs, done);
  });

  it('is done once by two servers', async () => {
    const twin = await app.twin();
    const ids: number[] = [];
    for (let i = 0; i < 12; i++) ids.push((await complete(await jpeg(100 + i, 80))).id);
    for (const id of ids) await thumbnail(id);
    const made = [app, twin].map(({ app }) => seen(app.get(ImageCodec), 'thumbnail', () => 1));
    await undo(ids);
    for (const id of ids) await thumbnail(id);
    await until(jobs, done);
    expect(made.flat()).toHaveLength(12);
    expect(await files()).toHaveLength(12);
  });

  it('that fails is tried a few times, later and later, and given up; the Media stays', async () => {
    const body = await complete(await damaged());
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 9; attempt++) {
      const [job] = await until(jobs, ([job]) => job!.attempts === attempt && job!.waits! > 0);
      waits.push(job!.waits!);
      await retry();
    }
    expect(waits).toEqual([...waits].sort((one, other) => one - other));
    expect(waits.at(-1)).toBeGreaterThan(3600);
    await until(jobs, done);
    expect(await files()).toEqual([]);
    expect(await media(body.id)).toEqual(body);
    expect((await fetch(body.image)).status).toBe(200);
  });

  it('is tried again by a server that does not see the image yet', async () => {
    const read = jest.spyOn(app.app.get(BlobStorage), 'read').mockResolvedValueOnce(undefined);
    await complete(await jpeg(60, 40));
    await until(jobs, ([job]) => job!.waits! > 0);
    expect(read).toHaveBeenCalledTimes(1);
    await retry();
    await until(jobs, done);
    expect(await files()).toHaveLength(1);
  });

  it('is done by turns among owners: of many, those of one do not hold up that of another', async () => {
    const codec = app.app.get(ImageCodec);
    const hold = Hold.on(codec, 'thumbnail', 'before');
    const file = await jpeg(60, 40);
    for (let i = 0; i < 12; i++) await complete(file);
    const stranger = await Client.of(app, '8');
    await complete(file, {}, stranger);
    hold.release();
    const owners = seen(codec, 'thumbnail', (_: Buffer, ownerId: string) => ownerId);
    await until(jobs, done);
    // Those under way when it came are not seen any more.
    expect(owners.slice(0, codec.atOnce + 1)).toContain('8');
  });

  it('is done beside others, one for each core, up to three', async () => {
    const codec = app.app.get(ImageCodec);
    const hold = Hold.on(codec, 'thumbnail', 'before');
    const file = await jpeg(60, 40);
    for (let i = 0; i < 6; i++) await complete(file);
    const cores = Math.min(availableParallelism(), 3);
    await until(jobs, (all) => all.filter(({ attempts }) => attempts === 1).length === cores);
    hold.release();
    await until(jobs, done);
    expect(await files()).toHaveLength(6);
  });

  it('of an image that fails does not hold up the others', async () => {
    await complete(await damaged());
    await thumbnail((await complete(await jpeg(60, 40))).id);
  });

  it('leaves no file when its Media is deleted meanwhile', async () => {
    const stored = Array.from({ length: 8 }, () => jpeg(800, 600));
    const ids = (await Promise.all(stored.map(async (file) => complete(await file)))).map(({ id }) => id);
    await Promise.all(ids.map((id) => client.send('DELETE', `/api/v2/media/${id}/`)));
    await app.app.close();
    expect([await files(), await jobs()]).toEqual([[], []]);
    app = await TestApp.on(app.database, app.config.dataDir);
  });
});

describe('upkeep', () => {
  it('sweeps thumbnails that no row knows, and no others', async () => {
    const { id } = await complete(await jpeg(60, 40));
    const { url } = await thumbnail(id);
    await writeFile(`${app.config.dataDir}/thumbnails/${'f'.repeat(32)}`, 'stray');
    Object.assign(app.config.sweep, { orphanAgeSeconds: -1 });
    expect(await app.app.get(Sweeper).sweep()).toMatchObject({ orphans: 1 });
    expect((await fetch(url)).status).toBe(200);
  });

  it('finds a thumbnail that is gone, and has it made again', async () => {
    const { id } = await complete(await jpeg(60, 40));
    const before = await thumbnail(id);
    const faults = async () => {
      const found: string[] = [];
      for await (const { fault, fix } of app.app.get(Fsck).check()) {
        found.push(fault);
        await fix();
      }
      return found;
    };
    expect(await faults()).toEqual([]);
    for (const name of await files()) await rm(`${app.config.dataDir}/thumbnails/${name}`);
    expect((await fetch(before.url)).status).toBe(404);
    expect(await faults()).toEqual(['thumbnail-missing']);
    await until(jobs, done);
    const after = await thumbnail(id);
    expect(after.url).not.toBe(before.url);
    expect((await fetch(after.url)).status).toBe(200);
    expect(await faults()).toEqual([]);
  });
});
