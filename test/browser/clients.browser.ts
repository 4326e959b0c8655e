import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { pdf } from '../setup/samples.js';
import { launch } from './chromium.js';
import { startServer, type Server } from './server.js';

jest.setTimeout(60_000);

/** Published upload clients with the recipes for them, as on a site of their users: in Chromium, bundled, of another origin. */
const CLIENTS = ['uploady', 'blueimp', 'uppy'];
const CLIENT = 'packages/client/dist';
const CHUNK = '**/api/v2/media/upload/chunk/';
const COMPLETE = '**/api/v2/media/upload/complete/';

const NAME = 'Größe (写真).pdf';
const bytes = pdf(900_000);

let server: Server;
let browser: Browser;
let site: HttpServer;
let token: string;
let page: Page;
/** On disk, so that the file has the same time whenever it is picked. */
let directory: string;

beforeAll(async () => {
  [server, browser, site] = await Promise.all([startServer(), launch(), openSite()]);
  const answer = await fetch(`${server.url}/api/v2/dev/token/`, { method: 'POST' });
  directory = await mkdtemp(join(tmpdir(), 'mediadock-picked-'));
  await writeFile(join(directory, NAME), bytes);
  ({ token } = (await answer.json()) as { token: string });
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  site.close();
  await rm(directory, { recursive: true });
});
beforeEach(async () => {
  page = await browser.newPage();
});
afterEach(() => page.close());

/** A page for each client, and the worker that hashes in them. */
async function openSite(): Promise<HttpServer> {
  const { outputFiles } = await build({
    entryPoints: CLIENTS.map((name) => `test/browser/pages/${name}.js`),
    alias: { '@mediadock/client': join(process.cwd(), CLIENT, 'browser.js') },
    bundle: true,
    write: false,
    outdir: '/',
    format: 'esm',
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'error',
  });
  const scripts = new Map(outputFiles.map(({ path, text }) => [path, text]));
  const site = createServer(async ({ url }, response) => {
    const { pathname } = new URL(url ?? '', 'http://site');
    if (!pathname.endsWith('.js')) {
      const body = `<!doctype html><meta charset=utf-8><input id=file type=file><main></main><script type=module src=${pathname}.js></script>`;
      return response.writeHead(200, { 'Content-Type': 'text/html' }).end(body);
    }
    const script = scripts.get(pathname) ?? (await readFile(join(CLIENT, pathname), 'utf8'));
    return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(script);
  });
  await once(site.listen(0, '127.0.0.1'), 'listening');
  return site;
}

async function open(client: string): Promise<void> {
  const query = new URLSearchParams({ api: server.url, token });
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/${client}?${query}`);
}

async function pick(): Promise<void> {
  await page.locator('#file').setInputFiles(join(directory, NAME));
}

/** The Media that the page got; and that its file is what was picked. */
async function arrived(): Promise<{ title: string }> {
  const media = JSON.parse((await page.locator('#media').textContent()) ?? '') as {
    title: string;
    url: string;
  };
  const stored = Buffer.from(await (await fetch(media.url)).arrayBuffer());
  expect(stored.equals(bytes)).toBe(true);
  expect(await page.locator('#error').count()).toBe(0);
  return media;
}

/** What is sent to `path` reaches the server, and the answer to request `nth` is lost; `before` that, something may happen. */
async function loseAnswer(
  path: string,
  nth: number,
  before = async (): Promise<void> => undefined,
): Promise<void> {
  let turn = 0;
  await page.route(path, async (route) => {
    if (route.request().method() !== 'POST' || ++turn !== nth) return await route.continue();
    await route.fetch();
    await before();
    // The page may have gone meanwhile.
    await route.abort('connectionreset').catch(() => undefined);
  });
}

/** Picks the file, and reloads the page when the server has `nth` requests to `path`, the last of them unanswered. */
async function reloadAfter(path: string, nth: number): Promise<void> {
  const reached = new Promise<void>((reach) => void loseAnswer(path, nth, async () => reach()));
  await pick();
  await reached;
  // In this order: what is held goes on when nothing holds it any more.
  await page.reload();
  await page.unroute(path);
}

/** The ranges that the page sends from now on. */
function ranges(): string[] {
  const sent: string[] = [];
  page.on('request', (request) => {
    const range = request.headers()['content-range'];
    if (range !== undefined) sent.push(range.replace('bytes ', ''));
  });
  return sent;
}

async function cancelAll(): Promise<void> {
  const list = new URL('/api/v2/media/upload/', server.url);
  const headers = { authorization: `Bearer ${token}` };
  const { results } = (await (await fetch(list, { headers })).json()) as { results: { upload_id: string }[] };
  for (const { upload_id: id } of results) await fetch(`${list}${id}/`, { method: 'DELETE', headers });
}

describe.each(CLIENTS)('%s', (client) => {
  beforeEach(() => open(client));

  it('uploads a file, with preflights', async () => {
    await pick();
    expect((await arrived()).title).toBe(NAME);
  });

  it('uploads a file of less than a chunk', async () => {
    await page
      .locator('#file')
      .setInputFiles({ name: 'small.pdf', mimeType: 'application/pdf', buffer: pdf(1000) });
    const media = JSON.parse((await page.locator('#media').textContent()) ?? '') as { size: number };
    expect(media.size).toBe(1000);
  });

  it('goes on after a lost answer', async () => {
    await loseAnswer(CHUNK, 3);
    await pick();
    await arrived();
  });

  it('goes on when the server is killed and started again', async () => {
    await loseAnswer(CHUNK, 3, async () => {
      await server.kill('SIGKILL');
      await server.run();
    });
    await pick();
    await arrived();
  });

  it('says why a file is refused', async () => {
    const buffer = Buffer.from('<!doctype html>');
    await page.locator('#file').setInputFiles({ name: 'a.pdf', mimeType: 'application/pdf', buffer });
    const words = (await page.locator('#error').textContent()) ?? '';
    // Uploady keeps the answer to itself.
    expect(words).toMatch(client === 'uploady' ? /gave up/ : /^HTML files are not accepted/);
  });
});

describe.each(['uploady', 'blueimp'])('%s, after a reload', (client) => {
  beforeEach(() => open(client));

  it('sends what the server has not got', async () => {
    await reloadAfter(CHUNK, 3);
    const sent = ranges();
    await pick();
    await arrived();
    expect(sent).toEqual(['614400-819199/900000', '819200-899999/900000']);
  });

  it('only completes what is there already', async () => {
    await reloadAfter(COMPLETE, 1);
    const sent = ranges();
    await pick();
    await arrived();
    expect(sent).toEqual([]);
  });

  it('begins anew when the upload has ended', async () => {
    await reloadAfter(CHUNK, 3);
    await cancelAll();
    const sent = ranges();
    await pick();
    await arrived();
    expect(sent).toHaveLength(5);
  });
});
