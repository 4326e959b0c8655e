import { Worker } from 'node:worker_threads';
import type { FaultPlan } from '../../../../test/setup/faulty-proxy.js';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import type { Media } from '../../src/node.js';
import { CHUNK_PATH, COMPLETE_PATH, Stage } from '../setup/stage.js';

const bytes = pdf(900_000);
const page = new URL('../setup/uploady-page.worker.js', import.meta.url);

let app: TestApp;
let stage: Stage;
/** What the browser of this test remembers, over all lives of the page. */
let storage: Map<string, string>;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
beforeEach(() => (storage = new Map()));
afterEach(() => stage.strike());

const failing =
  (path: string, ...turns: number[]): FaultPlan =>
  (request) =>
    request.path === path && request.method === 'POST' && turns.includes(request.turn) ? 'cut' : undefined;

/** Opens the page, which uploads the file; it ends with a Media or an error. */
async function open(retries = 1): Promise<Media> {
  const { url } = stage.proxy;
  const worker = new Worker(page, {
    workerData: { url, token: stage.token, name: 'a b.pdf', bytes: new Uint8Array(bytes), retries, storage },
  });
  try {
    return await new Promise<Media>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', ([event, value]: [string, never]) => {
        if (event === 'remember') storage.set(value[0], value[1]);
        if (event === 'forget') storage.delete(value);
        if (event === 'media') resolve(value);
        if (event === 'error') reject(new Error(value));
      });
    });
  } finally {
    await worker.terminate();
  }
}

describe('the recipe for @rpldy/chunked-uploady', () => {
  it('uploads a file and makes the Media', async () => {
    stage = await Stage.set(app);
    await stage.expectOnly(await open(), bytes);
    expect([stage.ranges().length, storage.size]).toEqual([5, 0]);
  });

  it('goes on after a reload with what the server has not got', async () => {
    stage = await Stage.set(app, failing(CHUNK_PATH, 2));
    await expect(open()).rejects.toThrow('The library gave up');
    expect(storage.size).toBe(1);
    await stage.expectOnly(await open(), bytes);
    expect(stage.ranges().slice(3)).toEqual(['614400-819199/900000', '819200-899999/900000']);
  });

  it('only completes what is there already', async () => {
    stage = await Stage.set(app, failing(COMPLETE_PATH, 0));
    await expect(open()).rejects.toThrow('fetch failed');
    await stage.expectOnly(await open(), bytes);
    expect(stage.ranges()).toHaveLength(5);
  });

  it.each([401, 429, 503])(
    'keeps the upload when the server answers %i to the question for its offset',
    async (status) => {
      const refused = { status, headers: {}, body: Buffer.from('{}') };
      stage = await Stage.set(app, (request) =>
        request.method === 'GET' && request.turn === 0 ? refused : failing(CHUNK_PATH, 2)(request),
      );
      await expect(open()).rejects.toThrow('The library gave up');
      await expect(open()).rejects.toThrow();
      expect(storage.size).toBe(1);
      await stage.expectOnly(await open(), bytes);
      expect(stage.ranges().slice(3)).toEqual(['614400-819199/900000', '819200-899999/900000']);
    },
  );

  it('begins anew when the upload has expired', async () => {
    stage = await Stage.set(app, failing(CHUNK_PATH, 2));
    await expect(open()).rejects.toThrow('The library gave up');
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 s' WHERE owner_id = $1`, [
      stage.owner,
    ]);
    expect(await open()).toMatchObject({ size: 900_000 });
  });
});
