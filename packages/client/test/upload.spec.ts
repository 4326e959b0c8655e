import { jest } from '@jest/globals';
import { createReadStream, openAsBlob } from 'node:fs';
import { appendFile, open, rename, truncate, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { md5 as digestOf } from '../../../test/setup/client.js';
import { jpeg, pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { until } from '../../../test/setup/until.js';
import { MemoryStore, md5, upload, type Progress } from '../src/node.js';
import type { NodeUploadInput } from '../src/node.js';
import { CHUNK_PATH, Stage } from './setup/stage.js';

const SIZE = 500_000;
const file = pdf(SIZE);

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
beforeEach(async () => {
  stage = await Stage.set(app);
});
afterEach(() => stage.strike());

describe('upload takes', () => {
  const bytes = new Uint8Array(file);
  const options = { name: 'a b.pdf', size: SIZE };

  it.each<[string, () => Promise<NodeUploadInput> | NodeUploadInput]>([
    ['a path', () => stage.file(file)],
    ['a file URL', async () => pathToFileURL(await stage.file(file))],
    ['a File', () => new File([bytes], 'a b.pdf', { lastModified: 1 })],
    ['a Blob', () => new Blob([bytes])],
    ['a Buffer', () => file],
    ['an ArrayBuffer', () => bytes.buffer],
    ['a Node stream', async () => createReadStream(await stage.file(file), { highWaterMark: 70_001 })],
    ['a web stream', () => new Blob([bytes]).stream()],
    ['a generator', () => inPieces(bytes, 333_333)],
  ])('%s', async (_, input) => {
    const media = await upload(await input(), { ...stage.options, ...options }).media;
    expect(media).toMatchObject({ type: 'doc', title: 'a b.pdf', size: SIZE, mimetype: 'application/pdf' });
    await stage.expectOnly(media, file);
    expect(stage.ranges()).toEqual(['0-204799/500000', '204800-409599/500000', '409600-499999/500000']);
  });

  it('a web stream of a browser that cannot loop over it', async () => {
    const stream = new Blob([bytes]).stream();
    Object.defineProperty(stream, Symbol.asyncIterator, { value: undefined });
    const bare = { getReader: () => stream.getReader() } as ReadableStream<Uint8Array>;
    const media = await upload(bare, { ...stage.options, ...options }).media;
    await stage.expectOnly(media, file);
  });

  it('an image, and says what for', async () => {
    const image = await jpeg(90, 70);
    const media = await upload(image, { ...stage.options, type: 'eimage' }).media;
    expect(media).toMatchObject({ type: 'eimage', title: null, image_width: 90, image_height: 70 });
    await stage.expectOnly(media, image);
  });

  it('the name and the size of chunks that it is told', async () => {
    const options = { ...stage.options, name: 'Größe "1" 写真.pdf', chunkBytes: 400_000 - 200_001 };
    const media = await upload(await stage.file(file), options).media;
    expect(media.title).toBe('Größe "1" 写真.pdf');
    expect(stage.ranges()).toEqual(['0-199998/500000', '199999-399997/500000', '399998-499999/500000']);
  });

  it('the time that the upload may take', async () => {
    const expires = new Date(Date.now() + 3_600_000);
    const running = upload(file, { ...stage.options, expires });
    await running.media;
    const [session] = await app.sql(`SELECT expires_at FROM upload_session WHERE id = $1`, [
      running.uploadId,
    ]);
    expect(session).toEqual({ expires_at: expires });
  });
});

describe('upload tells', () => {
  it('how far it is', async () => {
    const seen: Progress[] = [];
    const states: string[] = [];
    const running = upload(file, stage.options)
      .on('progress', (progress) => seen.push(progress))
      .on('state', (state) => states.push(state));
    expect([running.state, running.progress, running.uploadId]).toEqual(['queued', undefined, undefined]);
    await running.media;
    expect(seen.map(({ bytes, total }) => [bytes, total])).toEqual([
      [0, SIZE],
      [204_800, SIZE],
      [409_600, SIZE],
      [SIZE, SIZE],
    ]);
    expect(seen[0]!.secondsLeft).toBeNull();
    expect(seen.at(-1)!.secondsLeft).toBe(0);
    expect(seen.at(-1)!.bytesPerSecond).toBeGreaterThan(0);
    expect(running.progress).toBe(seen.at(-1));
    expect(states).toEqual(['running', 'done']);
  });

  it('nobody who does not listen any more', async () => {
    const listener = () => {
      throw new Error('Nobody is here');
    };
    await upload(file, stage.options).on('progress', listener).off('progress', listener).media;
  });

  it('the md5 of a file without uploading it', async () => {
    expect(await md5(await stage.file(file))).toBe(digestOf(file));
    expect(stage.proxy.exchanges).toEqual([]);
  });
});

describe('upload fails', () => {
  const failing = (input: NodeUploadInput, more = {}) =>
    upload(input, { ...stage.options, ...more }).media.then(
      () => 'It did not fail',
      (error: unknown) => error,
    );

  it('with what the server says of the content', async () => {
    const error = await failing(Buffer.from('<!doctype html>'));
    expect(error).toMatchObject({
      name: 'UploadError',
      code: 'unsupported-content',
      status: 415,
      action: 'give-up',
      message: expect.stringMatching(/^HTML files are not accepted. Accepted are JPG, /),
      problem: { detected: 'text/html', request_id: expect.any(String) },
    });
    expect(stage.proxy.exchanges).toHaveLength(1);
  });

  it('with what the server says of the request, and the upload can go on with another', async () => {
    const path = await stage.file(file);
    const error = await failing(path, { type: 'image' });
    expect(error).toMatchObject({ code: 'not-an-image', status: 400, action: 'fix-request' });
    await stage.expectOnly(await upload(path, stage.options).media, file);
    expect(stage.ranges()).toHaveLength(3);
  });

  it.each<[string, string, () => NodeUploadInput | Promise<NodeUploadInput>, object]>([
    ['a file that is not there', 'source-unreadable', () => '/nowhere/at/all', {}],
    ['a directory', 'source-unreadable', () => stage.directory(), {}],
    ['an empty file', 'empty-file', () => Buffer.alloc(0), {}],
    ['a stream of unknown size', 'source-unreadable', () => inPieces(file, 100), {}],
    ['a stream that ends early', 'source-changed', () => inPieces(file, 10_000), { size: SIZE + 1 }],
    ['a stream that is longer', 'source-changed', () => inPieces(file, 10_000), { size: SIZE - 1 }],
    [
      'a stream of which a piece ends at the size',
      'source-changed',
      () => inPieces(file, 10_000),
      { size: 490_000 },
    ],
    ['a stream that breaks', 'source-unreadable', () => broken(), { size: SIZE }],
  ])('with %s', async (_, code, input, more) => {
    const error = await failing(await input(), more);
    expect(error).toMatchObject({ name: 'UploadError', code, status: 0, action: 'give-up' });
  });

  it.each<[string, (path: string) => Promise<void>]>([
    ['of the same size', async (path) => await writeFile(path, pdf(SIZE, 'new'))],
    ['longer', async (path) => await appendFile(path, 'more')],
    ['shorter', async (path) => await truncate(path, 450_000)],
  ])('with a file that is rewritten while it goes up: %s', async (_, rewrite) => {
    const path = await stage.file(file);
    const changing = await Stage.set(app, async (request) => {
      if (request.path === CHUNK_PATH && request.turn === 1) await rewrite(path);
      return undefined;
    });
    const running = upload(path, changing.options);
    await expect(running.media).rejects.toMatchObject({
      code: 'file-changed',
      message: 'The file changed while it was uploaded',
    });
    await until(
      async () => await changing.openUploads(),
      ({ length }) => length === 0,
    );
    expect(await app.sql('SELECT id FROM media WHERE owner_id = $1', [changing.owner])).toEqual([]);
    await upload(path, changing.options).media;
    await changing.strike();
  });

  it('with a Blob of a file that is rewritten', async () => {
    const path = await stage.file(file);
    const blob = await openAsBlob(path);
    await writeFile(path, pdf(SIZE + 1));
    await expect(upload(blob, stage.options).media).rejects.toMatchObject({ code: 'source-unreadable' });
  });

  it('with a Blob that cannot be read for a while, and the upload can go on', async () => {
    const blob = new File([new Uint8Array(file)], 'a b.pdf', { lastModified: 1 });
    const slice = blob.slice.bind(blob);
    let isAway = true;
    blob.slice = (start = 0, end) => {
      if (isAway && start > 300_000) throw new DOMException('Away', 'NotReadableError');
      return slice(start, end);
    };
    const options = { ...stage.options, store: new MemoryStore() };
    const first = upload(blob, options);
    await expect(first.media).rejects.toMatchObject({ code: 'source-unreadable' });
    isAway = false;
    const second = upload(blob, options);
    await stage.expectOnly(await second.media, file);
    expect([second.uploadId, stage.exchanges('DELETE', '/')]).toEqual([first.uploadId, []]);
  });

  it('with a file that the disk cannot read for a while, and the upload can go on', async () => {
    const path = await stage.file(file);
    const probe = await open(path);
    const read = jest.spyOn(Object.getPrototypeOf(probe) as typeof probe, 'read');
    await probe.close();
    read.mockRejectedValueOnce(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }));
    const error = await failing(path);
    read.mockRestore();
    expect(error).toMatchObject({ code: 'source-unreadable', message: 'EIO: i/o error, read' });
    await stage.expectOnly(await upload(path, stage.options).media, file);
  });

  it('never with a file that is replaced by another while it goes up: the one that was opened arrives', async () => {
    const path = await stage.file(file);
    const other = await stage.file(pdf(SIZE, 'new'));
    const changing = await Stage.set(app, async (request) => {
      if (request.path === CHUNK_PATH && request.turn === 1) await rename(other, path);
      return undefined;
    });
    await changing.expectOnly(await upload(path, changing.options).media, file);
    await changing.strike();
  });

  it('when nobody listens at the address, after it has tried enough', async () => {
    const retries: string[] = [];
    const gone = await Stage.set(app);
    const options = { ...gone.options, retry: { limit: 3, firstDelayMs: 1, maxDelayMs: 1 } };
    await gone.strike();
    const running = upload(file, options);
    running.on('retry', ({ error }) => retries.push(error.code));
    await expect(running.media).rejects.toMatchObject({ code: 'network', status: 0 });
    expect([retries, running.state]).toEqual([['network', 'network', 'network'], 'failed']);
  });

  it('when no answer comes in time', async () => {
    const never = new Promise<undefined>(() => undefined);
    const silent = await Stage.set(app, () => never);
    const more = { ...silent.options, timeoutSeconds: 0.05, retry: { limit: 0 } };
    await expect(upload(file, more).media).rejects.toMatchObject({ code: 'timeout' });
    await silent.strike();
  });
});

describe('upload fits', () => {
  it('its chunks into a server that takes smaller ones', async () => {
    const strict = await TestApp.start({ CHUNK_MAX_BYTES: '150000' });
    const media = await upload(file, { url: strict.url, token: await strict.token() }).media;
    expect(media.size).toBe(SIZE);
    await strict.stop();
  });
});

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield file.subarray(0, 300_000);
  throw new Error('The disk is gone');
}
