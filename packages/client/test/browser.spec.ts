import { md5 as digestOf } from '../../../test/setup/client.js';
import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { BrowserWorker } from './setup/browser-worker.js';
import { FakeStorage } from './setup/local-storage.js';
import { CHUNK_PATH, gate, Stage } from './setup/stage.js';

type Client = typeof import('../src/browser.js');

// As built: a worker is found beside the module that starts it.
const built = new URL('../dist/browser.js', import.meta.url).href;
const bytes = pdf(900_000);

let client: Client;
let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  client = (await import(built)) as Client;
  app = await TestApp.start();
});
afterAll(() => app.stop());
beforeEach(() => define({ Worker: BrowserWorker, localStorage: new FakeStorage() }));
afterEach(async () => {
  await stage.strike();
  define({ Worker: undefined, localStorage: undefined });
});

function define(globals: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true });
}

const photo = () => new File([new Uint8Array(bytes)], 'a b.pdf', { lastModified: 1_700_000_000_000 });

describe('the build for browsers', () => {
  it('hashes in a worker, which it ends', async () => {
    stage = await Stage.set(app);
    const running = client.upload(photo(), stage.options);
    let workers = 0;
    running.on('progress', () => (workers = Math.max(workers, BrowserWorker.running)));
    await stage.expectOnly(await running.media, bytes);
    expect([workers, BrowserWorker.running]).toEqual([1, 0]);
  });

  it.each<[string, unknown]>([
    ['there is no Worker', undefined],
    [
      'a policy forbids workers',
      class {
        constructor() {
          throw new DOMException('No', 'SecurityError');
        }
      },
    ],
    [
      'the worker is not to be found',
      class extends BrowserWorker {
        constructor() {
          super(new URL('./not-there.js', built));
        }
      },
    ],
  ])('hashes without one where %s', async (_, Worker) => {
    define({ Worker });
    stage = await Stage.set(app);
    await stage.expectOnly(await client.upload(photo(), stage.options).media, bytes);
  });

  it('tells the md5 of a file', async () => {
    stage = await Stage.set(app);
    expect(await client.md5(photo())).toBe(digestOf(bytes));
  });

  it('goes on after a reload, when the same file is picked again', async () => {
    const [reached, release] = [gate(), gate()];
    stage = await Stage.set(app, async ({ path, turn }) => {
      if (path !== CHUNK_PATH || turn !== 2) return undefined;
      reached.open();
      await release.opened;
      return { status: 500, headers: {}, body: Buffer.alloc(0) };
    });
    const before = client.upload(photo(), stage.options);
    await reached.opened;
    await before.abort();
    release.open();
    const after = client.uploadAll([photo()], stage.options);
    await stage.expectOnly((await after.all())[0]!, bytes);
    expect(stage.ranges().slice(3)).toEqual([
      '409600-614399/900000',
      '614400-819199/900000',
      '819200-899999/900000',
    ]);
  });
});
