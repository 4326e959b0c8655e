import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { jest } from '@jest/globals';
import { harbour } from '../setup/pictures.js';
import { pdf } from '../setup/samples.js';
import { until } from '../setup/until.js';
import { launch } from './chromium.js';
import { Server } from './server.js';

jest.setTimeout(90_000);

/** `npm run test:browser -- --globals '{"screenshots":true}'` draws the pictures of the README. */
const SHOTS = (globalThis as { screenshots?: boolean }).screenshots ? 'docs/images' : undefined;

let server: Server;
let browser: Browser;
let page: Page;
let faults: string[];
let directory: string;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
  directory = await mkdtemp(join(tmpdir(), 'mediadock-picked-'));
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  await rm(directory, { recursive: true });
});

beforeEach(async () => {
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  await page.goto(server.url);
  await page.getByRole('button', { name: 'Get a demo token' }).click();
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>('#token')?.value !== '');
});
afterEach(async () => {
  expect(faults).toEqual([]);
  await page.context().close();
});

interface Picked {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

function paper(name: string, bytes: number): Picked {
  return { name, mimeType: 'application/pdf', buffer: pdf(bytes, name) };
}

async function pick(...files: Picked[]): Promise<void> {
  await page.locator('#files').setInputFiles(files);
}

const row = (name: string) => page.locator('.upload', { hasText: name });
const media = (name: string) => page.locator('.media', { hasText: name });

/** Until some chunks are acknowledged; slow network makes sure that others are not. */
async function midway(name: string): Promise<void> {
  await page.waitForFunction((label) => {
    const bars = [...document.querySelectorAll('progress')];
    return bars.some((bar) => bar.getAttribute('aria-label') === label && bar.value > 0);
  }, name);
}

async function sessions(): Promise<number> {
  const { count } = (await page.evaluate(async () => {
    const token = localStorage.getItem('demo token');
    const response = await fetch('/api/v2/media/upload/', { headers: { authorization: `Bearer ${token}` } });
    return (await response.json()) as { count: number };
  })) as { count: number };
  return count;
}

it('a photo and a PDF arrive, with a thumbnail, and can be opened, and deleted', async () => {
  const photo = { name: 'harbour.jpg', mimeType: 'image/jpeg', buffer: await harbour() };
  await pick(photo, paper('report.pdf', 3_000_000));
  await media('harbour.jpg').waitFor();
  await media('report.pdf').waitFor();
  await page.waitForFunction(() =>
    [...document.querySelectorAll<HTMLImageElement>('.media img')].some(
      (image) => image.src.includes('/thumbnails/') && image.complete && image.naturalWidth > 0,
    ),
  );
  if (SHOTS) {
    await page.screenshot({ path: `${SHOTS}/demo-1280.png` });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.screenshot({ path: `${SHOTS}/demo-390.png` });
  }
  const url = await media('report.pdf').getByRole('link').getAttribute('href');
  const bytes = await (await page.request.get(url ?? '')).body();
  expect(bytes.equals(pdf(3_000_000, 'report.pdf'))).toBe(true);
  await media('report.pdf').getByRole('button', { name: 'Delete' }).click();
  await media('report.pdf').waitFor({ state: 'detached' });
  expect((await page.request.get(url ?? '')).status()).toBe(404);
});

it('fits a phone: nothing sticks out', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  await pick(paper('a-name-that-is-much-too-long-for-one-line-of-a-phone.pdf', 10_000));
  await media('a-name-that-is').waitFor();
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  expect(inner).toBeLessThanOrEqual(outer ?? 0);
});

it('lost answers and requests and an unavailable server harm nothing', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('broken.pdf', 1_000_000));
  await midway('broken.pdf');
  for (const name of ['Lose the next answer', 'Lose the next request', 'Be unavailable once']) {
    await page.getByRole('button', { name }).click();
    await page.getByLabel('Slow network').uncheck();
  }
  await media('broken.pdf').waitFor();
});

it('pauses, resumes, cancels', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('pause.pdf', 2_000_000));
  await midway('pause.pdf');
  await row('pause.pdf').getByRole('button', { name: 'Pause' }).click();
  await row('pause.pdf').getByText('Paused at').waitFor();
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/demo-paused.png` });
  await row('pause.pdf').getByRole('button', { name: 'Resume' }).click();
  await row('pause.pdf').getByRole('button', { name: 'Pause' }).waitFor();
  await row('pause.pdf').getByRole('button', { name: 'Cancel' }).click();
  await row('pause.pdf').waitFor({ state: 'detached' });
  expect(await sessions()).toBe(0);
});

it('after a reload in the middle the same file goes on', async () => {
  // On disk, so that it has the same time both times it is picked.
  const path = join(directory, 'reload.pdf');
  await writeFile(path, pdf(1_500_000));
  await page.getByLabel('Slow network').check();
  await page.locator('#files').setInputFiles(path);
  await midway('reload.pdf');
  await page.reload();
  await page.getByText('Unfinished: reload.pdf').waitFor();
  expect(await sessions()).toBe(1);
  const sent: number[] = [];
  page.on('request', (request) => {
    const range = request.headers()['content-range'];
    if (range) sent.push(Number(/^bytes (\d+)-/.exec(range)?.[1] ?? Number.NaN));
  });
  await page.locator('#files').setInputFiles(path);
  await media('reload.pdf').waitFor();
  expect(Math.min(...sent)).toBeGreaterThan(0);
  expect(await sessions()).toBe(0);
});

it('a server that is killed in the middle and started again finds it finished', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('killed.pdf', 1_500_000));
  await midway('killed.pdf');
  await server.kill('SIGKILL');
  await row('killed.pdf').getByText('trying again').waitFor();
  await server.run();
  await page.getByLabel('Slow network').uncheck();
  await media('killed.pdf').waitFor();
});

it('goes on within a second when the network is back, however long it was away', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('offline.pdf', 1_500_000));
  await midway('offline.pdf');
  await page.context().setOffline(true);
  await row('offline.pdf').getByText('There is no network connection').waitFor();
  await page.getByLabel('Slow network').uncheck();
  const sent = page.waitForRequest((request) => request.method() === 'POST', { timeout: 1000 });
  await page.context().setOffline(false);
  await sent;
  await media('offline.pdf').waitFor();
});

it('cancels what is cancelled offline once the network is back', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('away.pdf', 2_000_000));
  await midway('away.pdf');
  await page.context().setOffline(true);
  await row('away.pdf').getByText('There is no network connection').waitFor();
  await row('away.pdf').getByRole('button', { name: 'Cancel' }).click();
  await row('away.pdf').waitFor({ state: 'detached', timeout: 2000 });
  await page.context().setOffline(false);
  await until(sessions, (count) => count === 0);
});

it('says what is wrong with a file that is not taken', async () => {
  await pick({
    name: 'page.pdf',
    mimeType: 'application/pdf',
    buffer: Buffer.from('<html><script>1</script>'),
  });
  await row('page.pdf').getByText('not accepted').waitFor();
  await row('page.pdf').getByRole('button', { name: 'Dismiss' }).click();
});
