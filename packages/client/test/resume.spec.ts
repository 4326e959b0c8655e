import { getEventListeners } from 'node:events';
import { mkdtemp, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Fate, FaultPlan } from '../../../test/setup/faulty-proxy.js';
import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { until } from '../../../test/setup/until.js';
import { JsonFileStore, MemoryStore, upload, type SessionStore, type Upload } from '../src/node.js';
import type { UploadOptions } from '../src/upload-options.js';
import { CHUNK_PATH, COMPLETE_PATH, gate, Stage } from './setup/stage.js';

const SIZE = 900_000;
const file = pdf(SIZE);
const REST = ['409600-614399/900000', '614400-819199/900000', '819200-899999/900000'];

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

/** A stage whose chunk number `turn` does not reach the server before the gate is open. */
async function holding(turn: number, path = CHUNK_PATH) {
  const [reached, release] = [gate(), gate()];
  const plan: FaultPlan = async (request) => {
    if (request.path === path && request.turn === turn) {
      reached.open();
      await release.opened;
      return { status: 500, headers: {}, body: Buffer.alloc(0) };
    }
    return undefined;
  };
  stage = await Stage.set(app, plan);
  return { reached: reached.opened, release: release.open };
}

function fail(): never {
  throw new Error('The store is broken');
}

function storeThat(does: () => never | Promise<never>): SessionStore {
  return { get: does, set: does, delete: does };
}

async function outcome(running: Upload): Promise<unknown> {
  return await running.media.catch((error: unknown) => error);
}

describe('pause', () => {
  it('stops in mid-chunk, and resume goes on where the server stands', async () => {
    const { reached, release } = await holding(2);
    const running = upload(file, stage.options);
    const states: string[] = [];
    running.on('state', (state) => states.push(state));
    await reached;
    running.pause();
    running.pause();
    expect([running.state, running.progress?.bytes]).toEqual(['paused', 409_600]);
    running.resume();
    running.resume();
    await stage.expectOnly(await running.media, file);
    release();
    expect(states).toEqual(['running', 'paused', 'queued', 'running', 'done']);
    expect(stage.ranges().slice(2)).toEqual([REST[0], ...REST]);
    expect(stage.exchanges('GET', '/api/v2/media/upload/')).toHaveLength(1);
  });

  it('before anything is sent sends nothing', async () => {
    stage = await Stage.set(app);
    const running = upload(file, stage.options);
    running.pause();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(stage.proxy.exchanges).toEqual([]);
    running.resume();
    await stage.expectOnly(await running.media, file);
  });

  it('stops at every step of a start', async () => {
    stage = await Stage.set(app);
    for (let steps = 0; steps < 15; steps++) {
      const running = upload(file.subarray(0, 1000 + steps), stage.options);
      for (let n = 0; n < steps; n++) await undefined;
      running.pause();
      await new Promise((resolve) => setImmediate(resolve));
      expect([steps, running.state]).toEqual([steps, 'paused']);
      running.resume();
      await running.media;
    }
  });

  it('and resume again and again uploads once', async () => {
    stage = await Stage.set(app);
    const running = upload(file, stage.options);
    for (let n = 0; n < 3; n++) {
      running.pause();
      running.resume();
    }
    await stage.expectOnly(await running.media, file);
    await upload(pdf(SIZE + 1), stage.options).media;
    // Only another run would ask for the offset.
    expect(stage.exchanges('GET', '/api/v2/media/upload/')).toEqual([]);
  });

  it('stops a completion, and resume gets the Media', async () => {
    const { reached, release } = await holding(0, COMPLETE_PATH);
    const running = upload(file, stage.options);
    await reached;
    running.pause();
    running.resume();
    await stage.expectOnly(await running.media, file);
    release();
  });

  it('ends a wait, and may last', async () => {
    const busy = { status: 503, headers: { 'retry-after': '3600' }, body: Buffer.alloc(0) };
    stage = await Stage.set(app, ({ path, turn }) => (path === CHUNK_PATH && turn === 1 ? busy : undefined));
    const running = upload(file, stage.options);
    await new Promise((resolve) => running.on('retry', resolve));
    running.pause();
    running.resume();
    await stage.expectOnly(await running.media, file);
  });

  it('of a stream keeps what was not acknowledged', async () => {
    const { reached, release } = await holding(2);
    const running = upload(new Blob([new Uint8Array(file)]).stream(), { ...stage.options, size: SIZE });
    await reached;
    running.pause();
    running.resume();
    await stage.expectOnly(await running.media, file);
    release();
  });

  it('after the end is nothing', async () => {
    stage = await Stage.set(app);
    const running = upload(file, stage.options);
    await running.media;
    running.pause();
    running.resume();
    await running.abort({ cancel: true });
    expect(running.state).toBe('done');
    await stage.expectOnly(await running.media, file);
  });
});

describe('abort', () => {
  it('leaves the upload on the server', async () => {
    const { reached, release } = await holding(2);
    const running = upload(file, stage.options);
    await reached;
    await running.abort();
    expect(await outcome(running)).toMatchObject({ name: 'UploadError', code: 'aborted' });
    expect(running.state).toBe('aborted');
    expect(await stage.openUploads()).toMatchObject([{ upload_id: running.uploadId, offset: '409600' }]);
    running.resume();
    release();
    expect(stage.ranges()).toHaveLength(3);
  });

  it('with cancel takes it away', async () => {
    const { reached, release } = await holding(2);
    const running = upload(file, stage.options);
    await reached;
    await running.abort({ cancel: true });
    release();
    expect(await outcome(running)).toMatchObject({ code: 'aborted' });
    expect(await stage.openUploads()).toEqual([]);
    expect((await (await stage.client()).status(running.uploadId!)).body.code).toBe('upload-cancelled');
  });

  it('with cancel takes it away while it is being opened', async () => {
    const [reached, release] = [gate(), gate()];
    stage = await Stage.set(app, async () => {
      reached.open();
      await release.opened;
      return undefined;
    });
    const running = upload(file, stage.options);
    await reached.opened;
    const aborted = running.abort({ cancel: true });
    release.open();
    await aborted;
    expect(await outcome(running)).toMatchObject({ code: 'aborted' });
    expect(running.uploadId).toMatch(/^[0-9a-f]{32}$/);
    expect(await stage.openUploads()).toEqual([]);
  });

  it('with cancel tries again when the answer is lost', async () => {
    const [reached, release] = [gate(), gate()];
    stage = await Stage.set(app, async ({ method, path, turn }) => {
      if (method === 'DELETE' && turn === 0) return { status: 503, headers: {}, body: Buffer.alloc(0) };
      if (path !== CHUNK_PATH || turn !== 2) return undefined;
      reached.open();
      await release.opened;
      return undefined;
    });
    const running = upload(file, stage.options);
    await reached.opened;
    await running.abort({ cancel: true });
    release.open();
    expect(stage.exchanges('DELETE', '/')).toHaveLength(2);
    expect((await (await stage.client()).status(running.uploadId!)).status).toBe(410);
  });

  /** An upload that is aborted with cancel while no DELETE arrives; `arrives` lets them through. */
  async function cancelledOutOfReach(options: UploadOptions, fate: Fate) {
    const [reached, release] = [gate(), gate()];
    let lost = true;
    stage = await Stage.set(app, async ({ method, path, turn }) => {
      if (method === 'DELETE' && lost) return fate;
      if (path !== CHUNK_PATH || turn !== 2) return undefined;
      reached.open();
      await release.opened;
      return 'cut';
    });
    const path = await stage.file(file);
    const running = upload(path, { ...stage.options, ...options });
    await reached.opened;
    await running.abort({ cancel: true });
    release.open();
    expect([running.state, await outcome(running)]).toMatchObject(['aborted', { code: 'aborted' }]);
    expect(await stage.openUploads()).toMatchObject([{ upload_id: running.uploadId }]);
    return { path, arrives: () => (lost = false) };
  }
  const gone = async () =>
    await until(
      async () => await stage.openUploads(),
      ({ length }) => length === 0,
    );
  const forgotten = async (state: string) =>
    await until(
      async () => await readFile(state, 'utf8'),
      (text) => text === '{}',
    );
  const busy = { status: 503, headers: { 'retry-after': '1' }, body: Buffer.alloc(0) };

  it.each<[string, Fate]>([
    ['cannot be reached', 'lose-request'],
    ['is busy', busy],
    ['has somebody else answer for it', { status: 200, headers: {}, body: Buffer.from('<h1>Log in</h1>') }],
  ])('with cancel takes it away later when the server %s', async (_, fate) => {
    const { arrives } = await cancelledOutOfReach({}, fate);
    arrives();
    await gone();
  });

  it('with cancel that did not arrive is done by a later process with the same store', async () => {
    const state = join(await mkdtemp(join(tmpdir(), 'mediadock-state-')), 'uploads.json');
    const retry = { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
    const { path, arrives } = await cancelledOutOfReach({ store: new JsonFileStore(state), retry }, busy);
    arrives();
    const second = await upload(path, { ...stage.options, store: new JsonFileStore(state) }).media;
    await gone();
    await stage.expectOnly(second, file);
    await forgotten(state);
    await rm(dirname(state), { recursive: true });
  });

  it('with cancel that did not arrive is not gone on with, by the list of the server either', async () => {
    const store = new MemoryStore();
    const retry = { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
    const { path } = await cancelledOutOfReach({ store, retry }, busy);
    const [old] = await stage.openUploads();
    const second = upload(path, { ...stage.options, store, resume: 'anywhere' });
    await second.media;
    expect(second.uploadId).not.toBe(old!.upload_id);
  });

  it('with cancel of an earlier process is done once, also when the store cannot be written', async () => {
    stage = await Stage.set(app);
    const cancelled = [1, 2].map((n) => `${n}`.repeat(32));
    const pending = { idempotencyKey: 'none', expires: '9999-12-31T23:59:59.999Z', cancelled };
    const store: SessionStore = { get: () => pending, set: fail, delete: fail };
    const sent = () => stage.exchanges('DELETE', '/').map(({ path }) => path.split('/').at(-2));
    await upload(pdf(1000), { ...stage.options, store }).media;
    await until(
      async () => sent(),
      ({ length }) => length >= 2,
    );
    await upload(pdf(1001), { ...stage.options, store }).media;
    expect(sent()).toEqual(cancelled);
  });

  it('with cancel of many at once forgets none of them', async () => {
    let lost = true;
    stage = await Stage.set(app, ({ method }) => (method === 'DELETE' && lost ? busy : undefined));
    const state = join(await stage.directory(), 'uploads.json');
    const store = new JsonFileStore(state);
    const retry = { firstDelayMs: 3_600_000, maxDelayMs: 3_600_000 };
    const many = Array.from({ length: 8 }, (_, n) =>
      upload(pdf(SIZE + n), { ...stage.options, store, retry, chunkBytes: 20_000 }),
    );
    const opened = many.map(
      async (one) =>
        await new Promise<void>((resolve) => one.on('progress', ({ bytes }) => bytes && resolve())),
    );
    await Promise.all(opened);
    await Promise.all(many.map(async (one) => await one.abort({ cancel: true })));
    expect(await stage.openUploads()).toHaveLength(8);
    lost = false;
    await upload(file, { ...stage.options, store }).media;
    await gone();
    await forgotten(state);
  });

  it('of a paused upload takes it away', async () => {
    const { reached, release } = await holding(2);
    const running = upload(file, stage.options);
    await reached;
    running.pause();
    await running.abort({ cancel: true });
    release();
    expect(await stage.openUploads()).toEqual([]);
  });

  it('while much is read again does not wait for it', async () => {
    const large = pdf(3_000_000);
    const { reached, release } = await holding(13);
    const options = { ...stage.options, store: new MemoryStore() };
    const blob = new File([new Uint8Array(large)], 'a b.pdf', { lastModified: 1 });
    const first = upload(blob, options);
    await reached;
    await first.abort();
    release();
    const again = upload(blob, options);
    const slice = blob.slice.bind(blob);
    const ends: (number | undefined)[] = [];
    blob.slice = (start, end) => {
      ends.push(end);
      void again.abort();
      return slice(start, end);
    };
    expect(await outcome(again)).toMatchObject({ code: 'aborted' });
    await again.abort();
    await upload(pdf(1000), options).media;
    expect(ends).toEqual([1_048_576]);
  });

  it('by a signal leaves it there', async () => {
    const { reached, release } = await holding(2);
    const stop = new AbortController();
    const running = upload(file, { ...stage.options, signal: stop.signal });
    await reached;
    stop.abort();
    expect(await outcome(running)).toMatchObject({ code: 'aborted' });
    expect(await stage.openUploads()).toHaveLength(1);
    release();
  });

  it('by a signal is not waited for after the end', async () => {
    stage = await Stage.set(app);
    const { signal } = new AbortController();
    const [empty, tiny] = [Buffer.alloc(0), pdf(1000)];
    await Promise.all(
      [empty, tiny].map(async (bytes) => await outcome(upload(bytes, { ...stage.options, signal }))),
    );
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('by a signal that was given before sends nothing', async () => {
    stage = await Stage.set(app);
    const running = upload(file, { ...stage.options, signal: AbortSignal.abort() });
    expect(await outcome(running)).toMatchObject({ code: 'aborted' });
    expect(stage.proxy.exchanges).toEqual([]);
  });
});

describe('another process', () => {
  /** Its file, and its store, after an upload was aborted at the third chunk. */
  async function interrupted() {
    const { reached, release } = await holding(2);
    const path = await stage.file(file);
    const state = join(await stage.directory(), 'state', 'uploads.json');
    const running = upload(path, { ...stage.options, store: new JsonFileStore(state) });
    await reached;
    await running.abort();
    release();
    return { path, state, uploadId: running.uploadId! };
  }

  it('goes on by its store', async () => {
    const { path, state, uploadId } = await interrupted();
    const seen: number[] = [];
    const running = upload(path, { ...stage.options, store: new JsonFileStore(state) });
    running.on('progress', ({ bytes }) => seen.push(bytes));
    await stage.expectOnly(await running.media, file);
    expect([running.uploadId, seen[0]]).toEqual([uploadId, 409_600]);
    expect(stage.ranges().slice(3)).toEqual(REST);
  });

  it('forgets what is complete', async () => {
    const { path, state } = await interrupted();
    const options = { ...stage.options, store: new JsonFileStore(state) };
    const first = await upload(path, options).media;
    const second = await upload(path, options).media;
    expect(second.id).not.toBe(first.id);
  });

  it('begins anew if told so', async () => {
    const { path, state, uploadId } = await interrupted();
    const running = upload(path, { ...stage.options, store: new JsonFileStore(state), resume: 'never' });
    await running.media;
    expect(running.uploadId).not.toBe(uploadId);
    expect(stage.ranges()).toHaveLength(8);
  });

  it('begins anew with a file that has changed since', async () => {
    const { path, state, uploadId } = await interrupted();
    await utimes(path, 1, 1);
    const running = upload(path, { ...stage.options, store: new JsonFileStore(state) });
    await running.media;
    expect(running.uploadId).not.toBe(uploadId);
  });

  it.each([
    ['expired', `UPDATE upload_session SET expires_at = now() - interval '1 s' WHERE id = $1`],
    ['was forgotten', 'DELETE FROM upload_session WHERE id = $1'],
    ['is of another size', `UPDATE upload_session SET total = total + 1 WHERE id = $1`],
  ])('begins anew when the upload %s', async (_, statement) => {
    const { path, state, uploadId } = await interrupted();
    await app.sql(statement, [uploadId]);
    const running = upload(path, { ...stage.options, store: new JsonFileStore(state) });
    const media = await running.media;
    expect([media.size, running.uploadId === uploadId]).toEqual([SIZE, false]);
    expect(stage.ranges()).toHaveLength(8);
  });

  it('fails with why the upload was rejected, and then begins anew', async () => {
    const { path, state, uploadId } = await interrupted();
    await app.sql(
      `UPDATE upload_session SET state = 'rejected', rejection = '{"code":"bad","detail":"No"}' WHERE id = $1`,
      [uploadId],
    );
    const options = { ...stage.options, store: new JsonFileStore(state) };
    expect(await outcome(upload(path, options))).toMatchObject({ code: 'bad', action: 'give-up' });
    expect(await upload(path, options).media).toMatchObject({ size: SIZE });
  });

  it('begins anew, and takes the old upload away, when the file was another one with the same face', async () => {
    const { reached, release } = await holding(2);
    const options = { ...stage.options, fingerprint: 'the same', store: new MemoryStore() };
    const running = upload(pdf(SIZE, 'other'), options);
    await reached;
    await running.abort();
    release();
    const second = upload(file, options);
    const codes: string[] = [];
    second.on('retry', ({ error }) => codes.push(error.code));
    await stage.expectOnly(await second.media, file);
    expect(codes).toEqual(['checksum-mismatch']);
    expect(stage.ranges()).toHaveLength(3 + 3 + 5);
  });

  it('sends the key of a first chunk whose answer the first process never had', async () => {
    const { reached, release } = await holding(0);
    const path = await stage.file(file);
    const state = join(await stage.directory(), 'uploads.json');
    const running = upload(path, { ...stage.options, store: new JsonFileStore(state) });
    await reached;
    await running.abort();
    release();
    await upload(path, { ...stage.options, store: new JsonFileStore(state) }).media;
    const keys = stage.exchanges('POST', CHUNK_PATH).map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([keys[0], keys[0], undefined, undefined, undefined, undefined]);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each<[string, () => Promise<SessionStore> | SessionStore]>([
    [
      'cannot be written',
      async () => new JsonFileStore(join(await stage.file(file), 'not a directory', 'uploads.json')),
    ],
    ['throws', () => storeThat(() => fail())],
    ['rejects', () => storeThat(async () => fail())],
    ['returns what is no session', () => storeThat(() => ({ uploadId: 5, idempotencyKey: 'ü\n' }) as never)],
  ])('gets through with a store that %s', async (_, store) => {
    stage = await Stage.set(app);
    const media = await upload(await stage.file(file), { ...stage.options, store: await store() }).media;
    await stage.expectOnly(media, file);
  });

  it('of twenty at once with a store each on one path, all get through', async () => {
    stage = await Stage.set(app);
    const state = join(await stage.directory(), 'uploads.json');
    const small = Array.from({ length: 20 }, (_, n) => pdf(1000 + n));
    const paths = await Promise.all(small.map(async (bytes) => await stage.file(bytes)));
    const media = await Promise.all(
      paths.map(
        async (path) => await upload(path, { ...stage.options, store: new JsonFileStore(state) }).media,
      ),
    );
    expect(media.map(({ size }) => size)).toEqual(small.map(({ length }) => length));
    expect(await readFile(state, 'utf8')).toBe('{}');
  });
});

describe('another device', () => {
  /** An upload begun elsewhere, up to its third chunk. */
  async function begun(bytes = file) {
    stage = await Stage.set(app);
    const client = await stage.client();
    const { body } = await client.slice(bytes, 0, 204_800, undefined, { fileName: 'a b.pdf' });
    await client.slice(bytes, 204_800, 409_600, body.upload_id);
    return body.upload_id as string;
  }
  const anywhere = () => ({ ...stage.options, name: 'a b.pdf', resume: 'anywhere' as const });

  it('goes on by the list of the server', async () => {
    const uploadId = await begun();
    const running = upload(file, anywhere());
    await stage.expectOnly(await running.media, file);
    expect(running.uploadId).toBe(uploadId);
    expect(stage.ranges()).toEqual(['204800-409599/900000', ...REST]);
  });

  it('goes on with a stream', async () => {
    const uploadId = await begun();
    const stream = new Blob([new Uint8Array(file)]).stream();
    const running = upload(stream, { ...anywhere(), size: SIZE });
    await stage.expectOnly(await running.media, file);
    expect(running.uploadId).toBe(uploadId);
  });

  it('finds the upload behind a hundred others', async () => {
    const uploadId = await begun();
    await app.sql(
      `INSERT INTO upload_session (id, owner_id, total, "offset", part, expires_at, expiry_slides)
       SELECT md5(n::text), $1, 5, 0, '', now() + interval '1 h', true FROM generate_series(1, 150) n`,
      [stage.owner],
    );
    const running = upload(file, anywhere());
    await running.media;
    expect(running.uploadId).toBe(uploadId);
  });

  it.each<[string, Buffer, object]>([
    ['other bytes', pdf(SIZE, 'other'), {}],
    ['another size', pdf(SIZE + 1), {}],
    ['another name', file, { name: 'b.pdf' }],
  ])('leaves an upload of %s alone', async (_, bytes, more) => {
    const uploadId = await begun(bytes);
    const running = upload(file, { ...anywhere(), ...more });
    expect(await running.media).toMatchObject({ size: SIZE });
    expect(running.uploadId).not.toBe(uploadId);
    expect(await stage.openUploads()).toMatchObject([{ upload_id: uploadId, offset: '409600' }]);
  });

  it('leaves an upload without bytes alone, as `fsck --fix` may leave one', async () => {
    stage = await Stage.set(app);
    await app.sql(
      `INSERT INTO upload_session (id, owner_id, total, file_name, "offset", part, expires_at, expiry_slides)
       VALUES (md5($1), $1, $2, 'a b.pdf', 0, '', now() + interval '1 h', true)`,
      [stage.owner, SIZE],
    );
    expect(await upload(file, anywhere()).media).toMatchObject({ size: SIZE });
    expect(await stage.openUploads()).toMatchObject([{ offset: '0' }]);
  });

  it('is not looked for unless that is asked', async () => {
    const uploadId = await begun();
    const running = upload(file, { ...anywhere(), resume: 'here' });
    await running.media;
    expect(running.uploadId).not.toBe(uploadId);
  });
});

it('an upload into which somebody else wrote other bytes begins anew', async () => {
  const [reached, release] = [gate(), gate()];
  stage = await Stage.set(app, async ({ path, turn }) => {
    if (path === CHUNK_PATH && turn === 2) {
      reached.open();
      await release.opened;
    }
    return undefined;
  });
  const running = upload(file, stage.options);
  const codes: string[] = [];
  running.on('retry', ({ error }) => codes.push(error.code));
  await reached.opened;
  const first = running.uploadId!;
  await (await stage.client()).slice(pdf(SIZE, 'other'), 409_600, 600_000, first);
  release.open();
  const media = await running.media;
  expect([codes, running.uploadId === first, media.size]).toEqual([['chunk-conflict'], false, SIZE]);
});
