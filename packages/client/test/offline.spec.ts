import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { upload } from '../src/node.js';
import { CHUNK_PATH, gate, Stage } from './setup/stage.js';

const file = pdf(900_000);

let app: TestApp;
let stage: Stage;
let page: FakePage;

/** What a browser says of its network. */
class FakePage extends EventTarget {
  readonly navigator = { onLine: true };

  goOffline(): void {
    this.navigator.onLine = false;
  }

  goOnline(): void {
    this.navigator.onLine = true;
    this.dispatchEvent(new Event('online'));
  }

  define(): void {
    const members = {
      navigator: this.navigator,
      addEventListener: this.addEventListener.bind(this),
      removeEventListener: this.removeEventListener.bind(this),
    };
    for (const [name, value] of Object.entries(members))
      Object.defineProperty(globalThis, name, { value, configurable: true });
  }
}

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
beforeEach(() => {
  page = new FakePage();
  page.define();
});
afterEach(async () => {
  for (const name of ['navigator', 'addEventListener', 'removeEventListener'])
    Reflect.deleteProperty(globalThis, name);
  await stage.strike();
});

describe('a browser that is offline', () => {
  it('again and again uses up no attempts, and the upload goes on at once when it is back', async () => {
    stage = await Stage.set(app, ({ path, turn }) => {
      if (path !== CHUNK_PATH || turn < 1 || turn > 6) return undefined;
      page.goOffline();
      return 'lose-request';
    });
    const codes: string[] = [];
    const waits: number[] = [];
    const running = upload(file, { ...stage.options, retry: { limit: 1, firstDelayMs: 60_000 } });
    running.on('retry', ({ error }) => {
      codes.push(error.code);
      const since = performance.now();
      running.on('progress', () => waits.push(performance.now() - since));
      setTimeout(() => page.goOnline(), 5);
    });
    await stage.expectOnly(await running.media, file);
    expect(codes).toEqual(Array(6).fill('offline'));
    expect(Math.min(...waits)).toBeLessThan(1000);
  });

  it('from the start waits to be online', async () => {
    stage = await Stage.set(app, ({ turn }) =>
      page.navigator.onLine || turn > 0 ? undefined : 'lose-request',
    );
    page.goOffline();
    const running = upload(file, { ...stage.options, resume: 'anywhere', retry: { limit: 0 } });
    running.on('retry', () => setTimeout(() => page.goOnline(), 5));
    await stage.expectOnly(await running.media, file);
  });

  it('waits for a token that cannot be got offline', async () => {
    stage = await Stage.set(app);
    page.goOffline();
    const token = () => {
      if (!page.navigator.onLine) throw new TypeError('Failed to fetch');
      return stage.token;
    };
    const running = upload(file, { ...stage.options, token, retry: { limit: 0 } });
    running.on('retry', () => setTimeout(() => page.goOnline(), 5));
    await stage.expectOnly(await running.media, file);
  });

  it('but still hears the server, as one on the same machine, obeys it', async () => {
    const body = Buffer.from('{"code":"unsupported-content","action":"give-up","detail":"No"}');
    const no = { status: 415, headers: { 'content-type': 'application/problem+json' }, body };
    stage = await Stage.set(app, ({ turn }) => (turn === 2 ? no : undefined));
    page.goOffline();
    await expect(upload(file, stage.options).media).rejects.toMatchObject({ code: 'unsupported-content' });
  });

  it('and back while a request hangs sends it again', async () => {
    const [reached, never] = [gate(), gate()];
    stage = await Stage.set(app, async ({ path, turn }) => {
      if (path !== CHUNK_PATH || turn !== 1) return undefined;
      reached.open();
      await never.opened;
      return undefined;
    });
    const running = upload(file, stage.options);
    await reached.opened;
    page.goOffline();
    page.goOnline();
    await stage.expectOnly(await running.media, file);
    never.open();
  });
});
