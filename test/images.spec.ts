import { createHash } from 'node:crypto';
import { readdir, rename, writeFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { Publisher } from '../src/media/uploads/publisher.js';
import { Hold } from './setup/hold.js';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { Client, md5 } from './setup/client.js';
import { cpuTime } from './setup/cpu-time.js';
import {
  afterPngHead,
  animation,
  animationWithComments,
  photo,
  pngChunk,
  pngWithTexts,
  PRIVATE,
  quarters,
} from './setup/images.js';
import { jpeg, noise, png } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

/** Uploads and completes; the Media, and the file that the public gets. */
async function publish(file: Buffer, by = client) {
  const { status, body } = await by.complete(await by.upload(file), md5(file));
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`);
  const response = await fetch(body.image);
  return { body, bytes: Buffer.from(await response.arrayBuffer()), etag: response.headers.get('etag') };
}

const ORIENTATIONS = [1, 2, 3, 4, 5, 6, 7, 8];
const METADATA = ['exif', 'xmp', 'iptc', 'orientation', 'comments', 'tifftagPhotoshop'] as const;

/** What an image still tells that is no picture. */
async function traces(bytes: Buffer): Promise<string[]> {
  const metadata = await sharp(bytes).metadata();
  return [
    ...METADATA.filter((name) => metadata[name] !== undefined),
    ...PRIVATE.filter((mark) => bytes.includes(mark)),
  ];
}

/** How far the pixels of an image are from those of another, 0 to 255 on average. */
async function difference(a: Sharp, b: Sharp): Promise<number> {
  const [one, other] = await Promise.all([a, b].map((image) => image.removeAlpha().raw().toBuffer()));
  expect(one!.length).toBe(other!.length);
  return one!.reduce((sum, value, i) => sum + Math.abs(value - other![i]!), 0) / one!.length;
}

describe('the public file of an image', () => {
  it.each(ORIENTATIONS)(
    'of a photo in orientation %i is upright, in its colours, and tells nothing',
    async (orientation) => {
      const file = await photo({ orientation });
      expect(PRIVATE.filter((mark) => !file.includes(mark))).toEqual([]);
      const { body, bytes, etag } = await publish(file);
      expect(await traces(bytes)).toEqual([]);
      const metadata = await sharp(bytes).metadata();
      expect(metadata).toMatchObject({ format: 'jpeg', icc: (await sharp(file).metadata()).icc });
      const [width, height] = orientation < 5 ? [60, 40] : [40, 60];
      expect([metadata.width, metadata.height]).toEqual([width, height]);
      expect(body).toMatchObject({ image_width: width, image_height: height, size: bytes.length });
      expect(etag).toBe(`"${createHash('sha256').update(bytes).digest('hex')}"`);
      // Both without their profile: the very values must be right.
      const seen = sharp(file, { ignoreIcc: true }).autoOrient();
      expect(await difference(seen, sharp(bytes, { ignoreIcc: true }))).toBeLessThan(4);
    },
  );

  it('of an upright photo has the very picture that was uploaded', async () => {
    const file = await photo();
    const { bytes } = await publish(file);
    expect(await difference(sharp(file), sharp(bytes))).toBe(0);
    expect(bytes.subarray(-2).toString('hex')).toBe('ffd9');
  });

  it.each([1, 6])(
    'of a PNG with texts in orientation %i tells nothing and loses nothing',
    async (orientation) => {
      const file = await pngWithTexts(orientation);
      const { bytes } = await publish(file);
      expect(await traces(bytes)).toEqual([]);
      expect(await sharp(bytes).metadata()).toMatchObject({ format: 'png' });
      expect(await difference(sharp(file).autoOrient(), sharp(bytes))).toBe(0);
    },
  );

  it.each([true, false])('of a turned WebP, lossless %s, is upright', async (lossless) => {
    const file = await quarters(60, 40).webp({ lossless }).withMetadata({ orientation: 8 }).toBuffer();
    const { body, bytes } = await publish(file);
    expect([body.image_width, body.image_height]).toEqual([40, 60]);
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp' });
    expect(await difference(sharp(file).autoOrient(), sharp(bytes))).toBeLessThan(lossless ? 0.001 : 4);
  });

  it.each(['gif', 'webp'] as const)('of an animated %s moves as before', async (format) => {
    const { bytes } = await publish(await animationWithComments(format));
    expect(await traces(bytes)).toEqual([]);
    expect(await sharp(bytes).metadata()).toMatchObject({
      pages: 3,
      loop: 3,
      delay: [100, 200, 300],
    });
    const plain = await animation(format);
    const all = { animated: true };
    expect(await difference(sharp(plain, all), sharp(bytes, all))).toBe(0);
  });

  it.each<[string, () => Promise<Buffer>]>([
    ['JPEG', () => jpeg(300, 200)],
    ['JPEG with a profile', () => quarters(60, 40).withIccProfile('p3').jpeg().toBuffer()],
    ['progressive JPEG', () => quarters(60, 40).jpeg({ progressive: true }).toBuffer()],
    ['PNG', () => png(60, 40)],
    ['PNG with a profile', () => quarters(60, 40).withIccProfile('p3').png().toBuffer()],
    ['animated GIF', () => animation('gif')],
    ['animated WebP', () => animation('webp')],
    ['WebP', () => quarters(60, 40).webp().toBuffer()],
  ])('of a %s that tells nothing is byte-identical', async (_, sample) => {
    const file = await sample();
    expect((await publish(file)).bytes.equals(file)).toBe(true);
  });

  it('is the upload itself when the operator says so, measured as a person sees it', async () => {
    const keeping = await TestApp.start({ IMAGE_METADATA: 'keep' });
    const file = await photo({ orientation: 6 });
    const { body, bytes } = await publish(file, await Client.of(keeping));
    expect(bytes.equals(file)).toBe(true);
    expect(body).toMatchObject({ image_width: 40, image_height: 60, size: file.length });
    await keeping.stop();
  });

  it('is stripped of an image that is uploaded as a document, too', async () => {
    const file = await photo();
    const { body } = await client.complete(await client.upload(file), md5(file), { type: 'doc' });
    const bytes = Buffer.from(await (await fetch(body.url)).arrayBuffer());
    expect(await traces(bytes)).toEqual([]);
  });
});

describe('completing an image with metadata', () => {
  it('again, at once, later and on another server, answers the same Media to the md5 of the upload', async () => {
    const clients = [client, new Client((await app.twin()).url, client.token)];
    const file = await photo({ orientation: 6, width: 900, height: 700 });
    const id = await client.upload(file);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => clients[i % 2]!.complete(id, md5(file))),
    );
    answers.push(await client.complete(id, md5(file)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(10).fill(200), 201]);
    expect(new Set(answers.map(({ body }) => `${body.id} ${body.size}`)).size).toBe(1);
    const published = Buffer.from(await (await fetch(answers[0]!.body.image)).arrayBuffer());
    expect((await client.complete(id, md5(published))).body.code).toBe('checksum-mismatch');
    expect(await uploadsOf(id)).toHaveLength(1);
  });

  it('takes a repeated chunk for what it is, as long as the upload would not have expired', async () => {
    const file = await photo();
    const id = await client.upload(file);
    const { body } = await client.complete(id, md5(file));
    const repeat = () => client.slice(file, 0, 1000, id);
    const replayed = await repeat();
    expect([replayed.status, replayed.body.offset, replayed.headers.get('upload-replayed')]).toEqual([
      201,
      String(file.length),
      '?1',
    ]);
    const other = await client.slice(Buffer.concat([file.subarray(0, 900), Buffer.alloc(100)]), 0, 1000, id);
    expect([other.status, other.body.code]).toEqual([400, 'inconsistent-upload-length']);
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second' WHERE id = $1`, [id]);
    await app.app.get(Sweeper).sweep();
    expect(await uploadsOf(id)).toEqual([]);
    const late = await repeat();
    expect([late.status, late.body.code, late.body.media_id]).toEqual([409, 'upload-complete', body.id]);
  });

  it('is deleted with the original', async () => {
    const file = await photo();
    const id = await client.upload(file);
    const { body } = await client.complete(id, md5(file));
    expect(await uploadsOf(id)).toHaveLength(1);
    expect((await client.send('DELETE', `/api/v2/media/${body.id}/`)).status).toBe(204);
    expect(await uploadsOf(id)).toEqual([]);
  });

  it('cannot be replaced by a late attempt of a server with other settings', async () => {
    const keeping = await app.twin({ IMAGE_METADATA: 'keep' });
    const there = new Client(keeping.url, client.token);
    const file = await photo();
    const id = await client.upload(file);
    const hold = Hold.on(keeping.app.get(Publisher), 'publish', 'before');
    const late = there.complete(id, md5(file));
    await hold.reached;
    const { body } = await client.complete(id, md5(file));
    hold.release();
    expect([(await late).status, (await late).body.id]).toEqual([200, body.id]);
    const stored = Buffer.from(await (await fetch(body.image)).arrayBuffer());
    expect([stored.length, PRIVATE.filter((mark) => stored.includes(mark))]).toEqual([body.size, []]);
  });

  it('leaves nothing but the original behind after a crash', async () => {
    const own = await TestApp.start({ ORPHAN_AGE_SECONDS: '1' });
    const by = await Client.of(own);
    const file = await photo();
    const id = await by.upload(file);
    const scratch = `${own.config.dataDir}/uploads/${id}.0123abcd`;
    await by.complete(id, md5(file));
    const [part] = await readdir(`${own.config.dataDir}/uploads`);
    await writeFile(scratch, file);
    Object.assign(own.config.sweep, { orphanAgeSeconds: -1 });
    await own.app.get(Sweeper).sweep();
    expect(await readdir(`${own.config.dataDir}/uploads`)).toEqual([part]);
    await own.stop();
  });

  it('is refused by a disk that does not take the public file, and can be repeated', async () => {
    const file = await photo();
    const id = await client.upload(file);
    const files = `${app.config.dataDir}/files`;
    await rename(files, `${files}.away`);
    const refused = await client.complete(id, md5(file));
    await rename(`${files}.away`, files);
    expect([refused.status, refused.body.action]).toEqual([503, 'wait']);
    expect(await uploadsOf(id)).toHaveLength(1);
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });

  it('holds up the event loop for a moment at most', async () => {
    const file = await photo({ orientation: 6, width: 5000, height: 4000 });
    const id = await client.upload(file);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const start = performance.now();
    const { body } = await client.complete(id, md5(file));
    const elapsed = performance.now() - start;
    delay.disable();
    expect(body.image_width).toBe(4000);
    // Decoding and coding 20 megapixels in this thread would make both the same.
    expect(delay.max / 1e6).toBeLessThan(Math.max(50, elapsed / 3));
  });
});

async function uploadsOf(id: string): Promise<string[]> {
  return (await readdir(`${app.config.dataDir}/uploads`)).filter((name) => name.startsWith(id));
}

describe('an image that takes too much', () => {
  const refusal = async (file: Buffer, by = client) => {
    const id = await by.upload(file);
    const { status, body } = await by.complete(id, md5(file));
    const again = (await by.complete(id, md5(file))).body;
    return [status, body.code, body.action, again.code, again.reason];
  };
  const refused = [413, 'image-too-costly', 'give-up', 'upload-rejected', 'image-too-costly'];

  it.each<[string, () => Promise<Buffer>]>([
    ['an interlaced PNG of 16 bits and 50 megapixels', () => pixelBomb(8165, 6123, LARGEST, turned())],
    ['a PNG a million pixels wide', () => pixelBomb(1_000_000, 50, LARGEST, turned())],
    ['a lossless WebP of 50 megapixels', () => webpOfSize(8165, 6123)],
  ])('%s that has to be turned is refused for good, before it is decoded', async (_, sample) => {
    const file = await sample();
    const before = process.resourceUsage().maxRSS;
    expect(await refusal(file)).toEqual(refused);
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(50);
  });

  it('is one that takes more than is set', async () => {
    const own = await TestApp.start({ IMAGE_MEMORY_BYTES: String(64 * 1024 * 1024) });
    const by = await Client.of(own);
    expect(await refusal(await photo({ orientation: 6, width: 5000, height: 4000 }), by)).toEqual(refused);
    const upright = await photo({ width: 5000, height: 4000 });
    expect((await publish(upright, by)).body.image_width).toBe(5000);
    await own.stop();
  });

  it('once it is turned is refused, too', async () => {
    const own = await TestApp.start({ IMAGE_MAX_BYTES: '50000' });
    expect(await refusal(await growingPng(), await Client.of(own))).toEqual(refused);
    await own.stop();
  });

  it('and is upright is published as it is, without a thumbnail', async () => {
    const { body } = await publish(await pixelBomb(8165, 6123, LARGEST));
    const jobs = () => app.sql(`SELECT attempts FROM mediadock_jobs.jobs`);
    await until(jobs, (all) => all.length === 0);
    expect((await client.send('GET', `/api/v2/media/${body.id}/`)).body.image_thumbnail).toBeNull();
  });

  it('is a JPEG of a hundred scans and more: nothing would stop its decoder', async () => {
    const progressive = await jpegOfScans(120);
    const id = await client.upload(progressive);
    const { status, body } = await client.complete(id, md5(progressive));
    expect([status, body.code]).toEqual([415, 'unreadable-image']);
    expect((await publish(await jpegOfScans(90))).body.type).toBe('image');
  });
});

describe('an image that cannot be shown', () => {
  const refusal = async (file: Buffer, by = client) => {
    const id = await by.upload(file, { chunkBytes: 100_000 });
    const { status, body } = await by.complete(id, md5(file));
    return [status, body.code, (await by.status(id)).body.state];
  };
  const cut = (file: Buffer) => file.subarray(0, file.length - 20);

  it.each<[string, () => Promise<Buffer>]>([
    ['a JPEG cut short', async () => cut(await jpeg(400, 300))],
    ['a PNG cut short', async () => cut(await png(300, 300))],
    ['a GIF cut short', async () => cut(await animation('gif'))],
    ['a WebP cut short', async () => cut(await animation('webp'))],
    ['a GIF of no pixels', () => Promise.resolve(Buffer.from('GIF89a\0\0\0\0\0\0\0;', 'latin1'))],
    ['a PNG of more pixels than are taken', () => pixelBomb(50_000, 50_000)],
  ])('%s is refused, in a moment', async (_, sample) => {
    const file = await sample();
    const work = async () => expect(await refusal(file)).toEqual([415, 'unreadable-image', 'rejected']);
    expect(await cpuTime(work, 3)).toBeLessThan(2000);
  });

  it('an animation of more frames than are taken is refused', async () => {
    const own = await TestApp.start({ IMAGE_MAX_FRAMES: '2' });
    expect(await refusal(await animation('gif'), await Client.of(own))).toEqual([
      415,
      'unreadable-image',
      'rejected',
    ]);
    await own.stop();
  });

  it('texts that would fill the memory are never unpacked', async () => {
    // 400 times 8 megabytes of one letter.
    const text = pngChunk(
      'zTXt',
      Buffer.concat([Buffer.from('k\0\0'), deflateSync(Buffer.alloc(7_900_000, 65))]),
    );
    const file = afterPngHead(await quarters(60, 40).png().toBuffer(), ...Array<Buffer>(400).fill(text));
    const before = process.resourceUsage().maxRSS;
    expect((await publish(file)).bytes.length).toBeLessThan(2000);
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(150);
  });
});

/** 16 bits, four channels, interlaced: the most that a pixel of a PNG can take. */
const LARGEST = [16, 6, 0, 0, 1];

/** An EXIF block that wants a picture turned. */
function turned(): Buffer {
  const entry = '0112000300000001' + '00060000';
  return pngChunk('eXIf', Buffer.from(`4d4d002a00000008` + `0001${entry}00000000`, 'hex'));
}

/** A PNG that says it is this large, and has some pixels. */
async function pixelBomb(
  width: number,
  height: number,
  kind = [8, 2, 0, 0, 0],
  ...chunks: Buffer[]
): Promise<Buffer> {
  const small = await png(10, 10);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set(kind, 8);
  const pixels = pngChunk('IDAT', deflateSync(noise(100)));
  return Buffer.concat([
    small.subarray(0, 8),
    pngChunk('IHDR', head),
    ...chunks,
    pixels,
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A lossless WebP in orientation 6 that says it is this large, and has some pixels. */
async function webpOfSize(width: number, height: number): Promise<Buffer> {
  const small = quarters(60, 40).webp({ lossless: true }).withMetadata({ orientation: 6 });
  const webp = await small.toBuffer();
  const extended = webp.indexOf('VP8X') + 8;
  webp.writeUIntLE(width - 1, extended + 4, 3);
  webp.writeUIntLE(height - 1, extended + 7, 3);
  const lossless = webp.indexOf('VP8L') + 9;
  const rest = webp.readUInt32LE(lossless) & ~0x0fffffff;
  webp.writeUInt32LE((rest | (width - 1) | ((height - 1) << 14)) >>> 0, lossless);
  return webp;
}

/** Each line differs from the one above by the same noise, so all but the first compress to nothing; until it is turned. */
async function growingPng(): Promise<Buffer> {
  const [width, height] = [500, 500];
  const line = Buffer.concat([Buffer.from([2]), noise(width * 3)]);
  const lines = deflateSync(Buffer.concat(Array<Buffer>(height).fill(line)));
  const small = await png(10, 10);
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const chunks = [pngChunk('IHDR', head), turned(), pngChunk('IDAT', lines)];
  return Buffer.concat([small.subarray(0, 8), ...chunks, pngChunk('IEND', Buffer.alloc(0))]);
}

/** A progressive JPEG, grey all over, in so many scans. */
async function jpegOfScans(count: number): Promise<Buffer> {
  const grey = sharp({ create: { width: 64, height: 64, channels: 3, background: '#888' } });
  const file = await grey.greyscale().jpeg({ progressive: true }).toBuffer();
  const scan = file.lastIndexOf(Buffer.from([0xff, 0xda]));
  const last = file.subarray(scan, -2);
  const scans = file.toString('latin1').split('\xff\xda').length - 1;
  return Buffer.concat([file.subarray(0, -2), ...Array<Buffer>(count - scans).fill(last), file.subarray(-2)]);
}
