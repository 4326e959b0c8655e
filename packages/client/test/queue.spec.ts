import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import {
  MemoryStore,
  upload,
  uploadAll,
  type NodeUploadInput,
  type Upload,
  type UploadQueue,
} from '../src/node.js';
import type { UploadOptions } from '../src/upload-options.js';
import { CHUNK_PATH, gate, Stage } from './setup/stage.js';

const files = [1, 2, 3, 4, 5].map((n) => pdf(300_000 + n, `${n}`));

const anywhere = { resume: 'anywhere' } as const;
const photo = (bytes: Buffer, lastModified = 1) =>
  new File([new Uint8Array(bytes)], 'a b.pdf', { lastModified });

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

describe('uploadAll', () => {
  it('uploads all files, so many at once', async () => {
    stage = await Stage.set(app);
    const queue = uploadAll(files, { ...stage.options, concurrency: 2 });
    const running: number[] = [];
    for (const upload of queue.uploads) {
      upload.on('state', () => running.push(queue.uploads.filter(({ state }) => state === 'running').length));
    }
    const media = await queue.all();
    expect(media.map(({ size }) => size)).toEqual(files.map(({ length }) => length));
    expect(Math.max(...running)).toBe(2);
  });

  it('goes on with the others when one fails', async () => {
    stage = await Stage.set(app);
    const queue = uploadAll([files[0]!, Buffer.from('<!doctype html>'), files[1]!], stage.options);
    expect(await queue.settled()).toMatchObject([
      { status: 'fulfilled', value: { size: 300_001 } },
      { status: 'rejected', reason: { code: 'unsupported-content' } },
      { status: 'fulfilled', value: { size: 300_002 } },
    ]);
    await expect(queue.all()).rejects.toMatchObject({ code: 'unsupported-content' });
  });

  it('gives the place of a paused upload to the next one', async () => {
    stage = await Stage.set(app);
    const queue = uploadAll(files.slice(0, 2), { ...stage.options, concurrency: 1 });
    const [first, second] = queue.uploads;
    first!.pause();
    await second!.media;
    expect(first!.state).toBe('paused');
    first!.resume();
    await first!.media;
  });

  it('pauses, resumes and aborts all of them', async () => {
    const never = gate();
    stage = await Stage.set(app, async () => {
      await never.opened;
      return undefined;
    });
    const queue = uploadAll(files, stage.options);
    const states = () => queue.uploads.map(({ state }) => state);
    queue.pause();
    expect(states()).toEqual(Array(5).fill('paused'));
    queue.resume();
    expect(states()).toEqual(Array(5).fill('queued'));
    await queue.abort();
    expect(states()).toEqual(Array(5).fill('aborted'));
    never.open();
  });

  describe('of the same file twice', () => {
    const one = files[0]!;
    const kinds: [string, () => Promise<NodeUploadInput[]>, Partial<UploadOptions>][] = [
      [
        'a path',
        async () => {
          const path = await stage.file(one);
          return [path, path];
        },
        {},
      ],
      ['a File', async () => [photo(one), photo(one)], {}],
      [
        'a File and its copy, by the list of the server',
        async () => [photo(one, 1), photo(one, 2)],
        anywhere,
      ],
      ['bytes, by the list of the server', async () => [one, one], anywhere],
    ];

    /** Both under way, the second begun when the server had chunks of the first; chunks wait for `release`. */
    async function twoUnderWay(
      inputs: () => Promise<NodeUploadInput[]>,
      more: Partial<UploadOptions>,
    ): Promise<{ uploads: Upload[]; release: () => void }> {
      const [first, both, release] = [gate(), gate(), gate()];
      const seen = new Set<string>();
      stage = await Stage.set(app, async ({ path, turn }) => {
        if (path !== CHUNK_PATH || turn === 0) return undefined;
        (seen.size === 0 ? first : both).open();
        seen.add(`${turn}`);
        if (turn === 1 || turn > 2) await release.opened;
        return undefined;
      });
      const options = { ...stage.options, ...more, store: new MemoryStore(), chunkBytes: 100_000 };
      const [one, other] = await inputs();
      const uploads = [upload(one!, options)];
      await first.opened;
      uploads.push(upload(other!, options));
      await both.opened;
      return { uploads, release: release.open };
    }

    it.each(kinds)('makes two uploads (%s)', async (_, inputs, more) => {
      const { uploads, release } = await twoUnderWay(inputs, more);
      release();
      const [first, second] = await Promise.all(uploads.map(({ media }) => media));
      expect(first!.id).not.toBe(second!.id);
    });

    it.each(kinds)('loses only the one that is cancelled (%s)', async (_, inputs, more) => {
      const { uploads, release } = await twoUnderWay(inputs, more);
      const codes: string[] = [];
      uploads[1]!.on('retry', ({ error }) => codes.push(error.code));
      await uploads[0]!.abort({ cancel: true });
      release();
      await stage.expectOnly(await uploads[1]!.media, one);
      expect(codes).toEqual([]);
    });

    it('goes on with both in another process', async () => {
      const [reached, release] = [gate(), gate()];
      stage = await Stage.set(app, async ({ path, turn }) => {
        if (path !== CHUNK_PATH || turn < 2 || turn > 3) return undefined;
        if (turn === 3) reached.open();
        await release.opened;
        return 'cut';
      });
      const path = await stage.file(one);
      const options = { ...stage.options, store: new MemoryStore() };
      const before = uploadAll([path, path], options);
      await reached.opened;
      await before.abort();
      release.open();
      const after = uploadAll([path, path], options);
      await after.all();
      const ids = ({ uploads }: UploadQueue) => uploads.map(({ uploadId }) => uploadId).sort();
      expect(ids(after)).toEqual(ids(before));
    });
  });

  it('gets one fresh token for all that need it at once', async () => {
    stage = await Stage.set(app);
    const asked: (string | undefined)[] = [];
    const token = async (refused?: string) => {
      asked.push(refused);
      return refused === undefined ? 'expired' : stage.token;
    };
    await uploadAll(files, { ...stage.options, token, concurrency: 5 }).all();
    expect(asked).toEqual([undefined, 'expired']);
  });
});
