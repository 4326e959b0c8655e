import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { pdf } from '../setup/samples.js';
import { freePort } from '../../scripts/free-port.js';
import { missing, startProxy, type Proxy } from '../setup/proxy.js';
import { launch } from './chromium.js';
import { startServer, type Server } from './server.js';

jest.setTimeout(60_000);

let server: Server;
let browser: Browser;
let elsewhere: HttpServer;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
  elsewhere = createServer((_, response) =>
    response
      .writeHead(200, { 'Content-Type': 'text/html' })
      .end('<!doctype html><title>Another site</title>'),
  ).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  elsewhere.close();
});

it('Swagger UI: "Try it out" sends a file', () => tryItOut(server.url));

describe('below a path, behind nginx', () => {
  const reason = missing('nginx');
  if (reason) {
    it.skip(`is not tried: ${reason}`, () => undefined);
    return;
  }
  let url: string;
  let below: Server;
  let proxy: Proxy;

  beforeAll(async () => {
    url = `http://127.0.0.1:${await freePort()}/media-api`;
    below = await startServer({ PUBLIC_URL: url });
    proxy = await startProxy('nginx', below.url, url);
  });
  afterAll(async () => {
    await proxy.stop();
    await below.stop();
  });

  it('Swagger UI sends a file', () => tryItOut(url));

  it('the demo page gets a token, uploads, shows and deletes', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    await page.getByRole('button', { name: 'Get a demo token' }).click();
    const file = { name: 'below.pdf', mimeType: 'application/pdf', buffer: pdf(300_000) };
    await page.locator('#files').setInputFiles(file);
    const media = page.locator('.media', { hasText: 'below.pdf' });
    await media.waitFor();
    const href = (await media.getByRole('link').getAttribute('href')) ?? '';
    expect(href.startsWith(`${url}/files/`)).toBe(true);
    expect((await page.request.get(href)).status()).toBe(200);
    await media.getByRole('button', { name: 'Delete' }).click();
    await media.getByRole('button', { name: 'Really delete?' }).click();
    await media.waitFor({ state: 'detached' });
    await page.close();
  });
});

it('a page of another origin uploads, with preflights, and shows what it got', async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
  const told = await page.evaluate(async (api) => {
    const { token } = await (await fetch(`${api}/api/v2/dev/token/`, { method: 'POST' })).json();
    const headers = { authorization: `Bearer ${token}` };
    const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 30 });
    canvas.getContext('2d')?.fillRect(0, 0, 20, 15);
    const blob = await new Promise<Blob>((resolve) =>
      canvas.toBlob((made) => resolve(made as Blob), 'image/png'),
    );
    const { upload } = await import(`${api}/client/browser.js`);
    const media = await upload(blob, { url: api, token, name: 'canvas.png' }).media;
    const image = new Image();
    image.crossOrigin = 'anonymous';
    image.src = media.image;
    await image.decode();
    const bytes = await (await fetch(media.image)).arrayBuffer();
    const sessions = await fetch(`${api}/api/v2/media/upload/`, { headers });
    return [
      image.naturalWidth,
      image.naturalHeight,
      bytes.byteLength === media.size,
      sessions.status,
      media.title,
    ];
  }, server.url);
  expect(told).toEqual([40, 30, true, 200, 'canvas.png']);
  await page.close();
});

async function tryItOut(url: string): Promise<void> {
  const page = await browser.newPage();
  await page.goto(`${url}/api/docs`);
  const token = ((await (await page.request.post(`${url}/api/v2/dev/token/`)).json()) as { token: string })
    .token;
  await page.locator('button.authorize').first().click();
  await page.locator('.auth-container input').first().fill(token);
  await page.locator('.auth-btn-wrapper .authorize').click();
  await page.locator('.auth-btn-wrapper .btn-done').click();
  const operation = page.locator('#operations-Uploads-uploadChunk');
  await operation.locator('.opblock-summary-control').click();
  const buffer = pdf(1000);
  await operation
    .locator('input[type=file]')
    .first()
    .setInputFiles({ name: 'a.pdf', mimeType: 'application/pdf', buffer });
  await operation.locator('button.execute').click();
  await operation.locator('.live-responses-table .response-col_status', { hasText: '201' }).waitFor();
  await page.close();
}
