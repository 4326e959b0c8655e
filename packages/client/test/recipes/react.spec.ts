import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { createElement } from 'react';
import { renderToString } from 'react-dom/server';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import { until } from '../../../../test/setup/until.js';
import { recipe } from '../setup/recipe.js';
import { CHUNK_PATH, gate, Stage } from '../setup/stage.js';

type Recipe = typeof import('../../recipes/react.js');
type View = Pick<ReturnType<Recipe['useUpload']>, 'state' | 'progress' | 'media' | 'error'>;

const bytes = pdf(900_000);
const file = { name: 'a b.pdf', bytes: new Uint8Array(bytes) };

let app: TestApp;
let stage: Stage;
let script: string;
let page: Page;

/** Jest cannot load jsdom, in which a CommonJS module requires an ES module. */
beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: ['packages/client/test/setup/react-page.worker.ts'],
    ...{ bundle: true, write: false, platform: 'node', external: ['jsdom'] },
  });
  script = outputFiles[0]!.text;
  app = await TestApp.start();
});
afterAll(() => app.stop());

class Page {
  readonly views: View[] = [];
  /** How uploads ended for who started them: `done`, or the code of an error. */
  readonly ends: string[] = [];
  private readonly worker = new Worker(script, { eval: true, workerData: stage.options });

  static async open(): Promise<void> {
    page = new Page();
    page.worker.on('error', (error) => page.ends.push(error.message));
    page.worker.on('message', ([event, value]: ['view', View] | ['end', string]) => {
      if (event === 'view') page.views.push(value);
      else page.ends.push(value);
    });
    await page.shows({ state: 'idle', progress: null, media: null, error: null });
  }

  tell(command: 'start' | 'pause' | 'resume' | 'cancel' | 'mount' | 'unmount', value?: object): void {
    this.worker.postMessage([command, value]);
  }

  async shows(expected: object): Promise<void> {
    await until(
      async () => this.views.at(-1),
      (view) => view && JSON.stringify({ ...view, ...expected }) === JSON.stringify(view),
    );
  }

  async ended(...ends: string[]): Promise<void> {
    await until(
      async () => this.ends,
      (all) => all.length >= ends.length,
    );
    expect(this.ends).toEqual(ends);
  }

  media() {
    return this.views.at(-1)!.media!;
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}

/** A page whose upload hangs in its third chunk, until the server is let go, and drops that chunk. */
async function hanging(): Promise<() => void> {
  const [reached, release] = [gate(), gate()];
  stage = await Stage.set(app, async ({ path, turn }) => {
    if (path !== CHUNK_PATH || turn !== 2) return undefined;
    reached.open();
    await release.opened;
    return 'cut';
  });
  await Page.open();
  page.tell('start', file);
  await reached.opened;
  return release.open;
}

describe('the recipe for React', () => {
  afterEach(async () => {
    await page.close();
    await stage.strike();
  });

  it('uploads a file, and shows how far it is', async () => {
    stage = await Stage.set(app);
    await Page.open();
    page.tell('start', file);
    await page.ended('done');
    await page.shows({ state: 'done', error: null });
    await stage.expectOnly(page.media(), bytes);
    expect(page.views.at(-1)!.progress).toMatchObject({ bytes: 900_000, total: 900_000 });
    expect(page.views.some(({ progress }) => progress && progress.bytes < 900_000)).toBe(true);
  });

  it('pauses and resumes', async () => {
    const release = await hanging();
    page.tell('pause');
    await page.shows({ state: 'paused' });
    page.tell('resume');
    await page.ended('done');
    release();
    await page.shows({ state: 'done' });
    await stage.expectOnly(page.media(), bytes);
  });

  it('cancels, which removes the upload from the server', async () => {
    const release = await hanging();
    page.tell('cancel');
    await page.ended('aborted');
    release();
    await page.shows({ state: 'idle', progress: null, media: null, error: null });
    await until(
      () => stage.openUploads(),
      ({ length }) => length === 0,
    );
  });

  it('stops when it is unmounted, and resumes when the same file is selected again', async () => {
    const release = await hanging();
    page.tell('unmount');
    await page.ended('aborted');
    release();
    page.tell('mount');
    await page.shows({ state: 'idle' });
    page.tell('start', file);
    await page.ended('aborted', 'done');
    await page.shows({ state: 'done' });
    await stage.expectOnly(page.media(), bytes);
    const rest = ['409600-614399/900000', '614400-819199/900000', '819200-899999/900000'];
    expect(stage.ranges().slice(-3)).toEqual(rest);
  });

  it('shows why an upload failed, until the next one starts', async () => {
    stage = await Stage.set(app);
    await Page.open();
    page.tell('start', { name: 'a.html', bytes: new Uint8Array(Buffer.from('<!doctype html>')) });
    await page.shows({ state: 'failed', error: { code: 'unsupported-content' } });
    page.tell('start', file);
    await page.ended('unsupported-content', 'done');
    await page.shows({ state: 'done', error: null });
    await stage.expectOnly(page.media(), bytes);
  });

  it('shows the newer one of two files', async () => {
    const release = await hanging();
    page.tell('start', { name: 'second.pdf', bytes: new Uint8Array(pdf(1000)) });
    await page.ended('aborted', 'done');
    release();
    await page.shows({ state: 'done', error: null });
    expect(page.media().title).toBe('second.pdf');
  });
});

it('renders on a server', async () => {
  const { useUpload } = await recipe<Recipe>('react', 'ts');
  const State = () => useUpload({ url: 'http://localhost:3000' }).state;
  expect(renderToString(createElement(State))).toBe('idle');
});
