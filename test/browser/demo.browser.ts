import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { jest } from '@jest/globals';
import { harbour } from '../setup/pictures.js';
import { pdf } from '../setup/samples.js';
import { until } from '../setup/until.js';
import { launch } from './chromium.js';
import { startServer, type Server } from './server.js';

jest.setTimeout(90_000);

/** `npm run test:browser -- --globals '{"screenshots":true}'` draws the pictures of the README. */
const SHOTS = (globalThis as { screenshots?: boolean }).screenshots ? 'docs/images' : undefined;

let server: Server;
let browser: Browser;
let page: Page;
let faults: string[];
let directory: string;

beforeAll(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
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

interface AxeResults {
  readonly violations: { readonly id: string; readonly nodes: { readonly html: string }[] }[];
}

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
const media = (name: string) => page.locator('#library .media', { hasText: name });
const unfinished = (name: string) => page.locator('#unfinished .media', { hasText: name });
const button = (name: string) => page.getByRole('button', { name, exact: true });
const rows = async (selector: string) => await page.locator(selector).count();

/** Until screen readers have been told. */
async function said(text: string): Promise<void> {
  await page.locator('#status', { hasText: text }).waitFor({ state: 'attached' });
}

/** The accessible name of what has the focus; '' if the page has lost it. */
async function focused(): Promise<string> {
  return await page.evaluate(() => {
    const active = document.activeElement;
    if (!active || active === document.body) return '';
    return active.getAttribute('aria-label') ?? (active.textContent?.trim() || active.id);
  });
}

async function tabTo(name: string): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if ((await focused()) === name) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not reach ${name}`);
}

/** Uploads small text files without the form of the page. */
async function uploadNotes(count: number): Promise<void> {
  await page.evaluate(async (count) => {
    const { uploadAll } = await import(new URL('client/browser.js', document.baseURI).href);
    const token = localStorage.getItem('demo token') as string;
    const files = Array.from({ length: count }, (_, n) => new File([`note ${n}`], `note ${n}.txt`));
    await uploadAll(files, { token, url: document.baseURI, concurrency: 6 }).all();
  }, count);
}

/** Until some chunks are acknowledged; slow network makes sure that others are not. */
async function midway(name: string): Promise<void> {
  await page.waitForFunction((label) => {
    const bars = [...document.querySelectorAll('progress')];
    return bars.some((bar) => bar.getAttribute('aria-label') === label && bar.value > 0);
  }, name);
}

/** To Chromium, pages of tests are always visible. */
async function turn(tab: Page, visibilityState: 'visible' | 'hidden'): Promise<void> {
  await tab.evaluate((value) => {
    Object.defineProperty(document, 'visibilityState', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, visibilityState);
}

/** Sends half of a text without the form of the page, or its other half. */
async function sendHalf(name: string, uploadId?: string): Promise<string> {
  return await page.evaluate(
    async ([name, uploadId]) => {
      const form = new FormData();
      if (uploadId) form.append('upload_id', uploadId);
      form.append('image', new Blob(['note '.repeat(200)]), name);
      const headers = {
        authorization: `Bearer ${localStorage.getItem('demo token')}`,
        'content-range': `bytes ${uploadId ? '1000-1999' : '0-999'}/2000`,
      };
      const init = { method: 'POST', headers, body: form };
      return (await (await fetch('/api/v2/media/upload/chunk/', init)).json()).upload_id as string;
    },
    [name, uploadId] as const,
  );
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
  await media('report.pdf').getByRole('button', { name: 'Really delete?' }).click();
  await media('report.pdf').waitFor({ state: 'detached' });
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BUTTON');
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
  await button('Pause pause.pdf').click();
  await row('pause.pdf').getByText('Paused at').waitFor();
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/demo-paused.png` });
  await button('Resume pause.pdf').click();
  await button('Pause pause.pdf').waitFor();
  await button('Cancel pause.pdf').click();
  await row('pause.pdf').waitFor({ state: 'detached' });
  await until(sessions, (count) => count === 0);
});

it('after a reload in the middle the same file goes on', async () => {
  // On disk, so that it has the same time both times it is picked.
  const path = join(directory, 'reload.pdf');
  await writeFile(path, pdf(1_500_000));
  await page.getByLabel('Slow network').check();
  await page.locator('#files').setInputFiles(path);
  await midway('reload.pdf');
  // The page warns before it is left in mid-upload.
  const warned = page.waitForEvent('dialog');
  const reloaded = page.reload();
  const dialog = await warned;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.accept();
  await reloaded;
  await unfinished('reload.pdf').waitFor();
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
  await unfinished('reload.pdf').waitFor({ state: 'detached' });
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

it('goes on at once when the network is back, however long it was away', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('offline.pdf', 1_500_000));
  await midway('offline.pdf');
  await page.context().setOffline(true);
  await row('offline.pdf').getByText('There is no network connection').waitFor();
  await page.getByLabel('Slow network').uncheck();
  // Far less than the wait that this ends, which is half a minute.
  const sent = page.waitForRequest((request) => request.method() === 'POST', { timeout: 5000 });
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
  await row('away.pdf').waitFor({ state: 'detached' });
  await page.context().setOffline(false);
  await until(sessions, (count) => count === 0);
});

it('says what is wrong with a file that is not taken, and keeps the place of the keyboard', async () => {
  const html = Buffer.from('<html><script>1</script>');
  await pick({ name: 'page.pdf', mimeType: 'application/pdf', buffer: html }, paper('good.pdf', 1000));
  await page.locator('.upload[data-state=failed]', { hasText: 'page.pdf' }).waitFor();
  await button('Dismiss page.pdf').press('Enter');
  await row('page.pdf').waitFor({ state: 'detached' });
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('BUTTON');
});

it('lists each of many files once, and says that all are done', async () => {
  const names = Array.from({ length: 6 }, (_, n) => `small ${n}.pdf`);
  await pick(...names.map((name) => paper(name, 2000)));
  await page.locator('#summary', { hasText: 'Done: 6 files uploaded' }).waitFor();
  for (const name of names) await media(name).waitFor();
  expect([await rows('#library .media'), await page.title()]).toEqual([6, 'Done · Mediadock']);
  await button('Clear finished').click();
  expect([await rows('.upload'), await page.title()]).toEqual([0, 'Mediadock']);
});

it('shows more once however often it is asked, and keeps all when another file comes', async () => {
  await uploadNotes(45);
  await page.reload();
  await media('note').first().waitFor();
  await page.evaluate(() => {
    const more = document.querySelector<HTMLButtonElement>('#more');
    more?.click();
    more?.click();
  });
  await page.waitForFunction(() => document.querySelectorAll('#library .media').length > 20);
  expect(await rows('#library .media')).toBe(40);
  const scrolled = await page.evaluate(() => {
    scrollTo(0, 1000);
    return scrollY;
  });
  await pick(paper('new.pdf', 1000));
  await media('new.pdf').waitFor();
  expect(await rows('#library .media')).toBe(41);
  expect(await page.evaluate(() => scrollY)).toBeGreaterThanOrEqual(scrolled);
  await button('Show more').click();
  await page.waitForFunction(() => document.querySelectorAll('#library .media').length > 41);
  expect(await rows('#library .media')).toBe(46);
});

it('pauses, resumes and cancels all, and tells the total', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('one.pdf', 2_000_000), paper('two.pdf', 2_000_000));
  await midway('one.pdf');
  expect(await page.title()).toMatch(/^\d+ % · Mediadock$/);
  const total = page.getByLabel('All uploads');
  expect(await total.evaluate((bar: HTMLProgressElement) => bar.value)).toBeGreaterThan(0);
  await button('Pause all').click();
  await row('two.pdf').getByText('Paused at').waitFor();
  await button('Resume all').click();
  await button('Pause two.pdf').waitFor();
  expect(await row('two.pdf').getByText('Paused at').count()).toBe(0);
  await button('Cancel all').click();
  await page.waitForFunction(() => document.querySelectorAll('.upload').length === 0);
  await until(sessions, (count) => count === 0);
});

it('warns of a file that is chosen twice, and keeps one when the other is cancelled', async () => {
  await page.getByLabel('Slow network').check();
  const path = join(directory, 'twice.pdf');
  await writeFile(path, pdf(1_200_000));
  await page.locator('#files').setInputFiles(path);
  await midway('twice.pdf');
  await page.locator('#files').setInputFiles(path);
  await page.getByText('You have uploaded this file already').waitFor();
  await button('Cancel twice.pdf').first().click();
  await page.getByLabel('Slow network').uncheck();
  await media('twice.pdf').waitFor();
  expect([await rows('#library .media'), await sessions()]).toEqual([1, 0]);
});

it('refuses at once what the server would refuse, and says what to do', async () => {
  const sent: string[] = [];
  page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()));
  const bytes = Buffer.alloc(10);
  await pick(
    { name: 'IMG_1.HEIC', mimeType: '', buffer: bytes },
    { name: 'film.mp4', mimeType: 'video/mp4', buffer: bytes },
    { name: 'huge.png', mimeType: 'image/png', buffer: Buffer.alloc(6_000_000) },
    { name: 'nothing.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
  );
  await row('IMG_1.HEIC').getByText('HEIC photos aren’t supported. Export the photo as JPEG').waitFor();
  await row('film.mp4').getByText('This type isn’t supported. Choose one of: JPEG, PNG').waitFor();
  await row('huge.png').getByText('The file is too large: 6.0 MB, and at most 5 MB').waitFor();
  await row('nothing.txt').getByText('The file is empty').waitFor();
  expect(sent).toEqual([]);
});

it('says that a token is refused, and tries a file again with a good one', async () => {
  const good = await page.getByLabel('Bearer token').inputValue();
  await page.getByLabel('Bearer token').fill('wrong');
  await page.getByLabel('Bearer token').blur();
  await page.getByText('The token was refused').waitFor();
  expect(await page.getByText('Nothing here yet').isVisible()).toBe(false);
  await pick(paper('again.pdf', 1000));
  await button('Retry again.pdf').waitFor();
  await page.getByLabel('Bearer token').fill(good);
  await button('Retry again.pdf').click();
  await media('again.pdf').waitFor();
});

it('gives every demo token to a user of its own', async () => {
  await pick(paper('mine.pdf', 1000));
  await media('mine.pdf').waitFor();
  await button('Get a demo token').click();
  await page.getByText('Nothing here yet').waitFor();
  expect(await rows('#library .media')).toBe(0);
});

it('says why something can’t be done: delete offline, copy without a clipboard', async () => {
  await pick(paper('kept.pdf', 1000));
  await media('kept.pdf').waitFor();
  await page.context().setOffline(true);
  await button('Delete kept.pdf').click();
  await button('Really delete? kept.pdf').click();
  await media('kept.pdf').getByText('Not deleted. You are offline.').waitFor();
  await page.context().setOffline(false);
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  await button('Copy link kept.pdf').click();
  const link = page.getByLabel('Link to kept.pdf');
  expect(await link.inputValue()).toMatch(/^http.*\.pdf$/);
  expect(await link.evaluate((field: HTMLInputElement) => field.selectionEnd)).toBeGreaterThan(10);
});

it('copies a link, and says so', async () => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await pick(paper('linked.pdf', 1000));
  await media('linked.pdf').waitFor();
  await button('Copy link linked.pdf').click();
  await said('Link to linked.pdf copied');
  const href = await media('linked.pdf').getByRole('link').getAttribute('href');
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(href);
});

it('says why the list of files can’t be loaded, and tries again', async () => {
  await pick(paper('listed.pdf', 1000));
  await media('listed.pdf').waitFor();
  const list = '**/api/v2/media/?limit=*';
  await page.route(list, (route) => route.abort());
  await page.reload();
  await page.getByText('The server can’t be reached.').waitFor();
  expect(await page.getByText('Nothing here yet').isVisible()).toBe(false);
  await page.unroute(list);
  await button('Try again').click();
  await media('listed.pdf').waitFor();
});

it('shows how far another tab is, and its file once it is there', async () => {
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByLabel('Slow network').check();
  await other.locator('#files').setInputFiles(paper('elsewhere.pdf', 2_000_000));
  await other.waitForFunction(() =>
    [...document.querySelectorAll('progress')].some(({ value }) => value > 0),
  );
  await page.reload();
  const detail = unfinished('elsewhere.pdf').locator('.detail');
  const before = await detail.textContent();
  await page.waitForFunction(
    (then) => document.querySelector('#unfinished .detail')?.textContent !== then,
    before,
  );
  await other.getByLabel('Slow network').uncheck();
  await media('elsewhere.pdf').waitFor();
  await unfinished('elsewhere.pdf').waitFor({ state: 'detached' });
  await other.close();
});

it('hidden tabs take no connections from others, and know the news when they are visible again', async () => {
  const ids = await Promise.all(['left 1.txt', 'left 2.txt'].map((name) => sendHalf(name)));
  const other = await page.context().newPage();
  for (const tab of [page, other]) {
    const watched = [0, 1].map((n) =>
      tab.waitForResponse((response) => response.url().includes(`${ids[n]}/events`)),
    );
    await tab.goto(server.url);
    await Promise.all(watched);
    await turn(tab, 'hidden');
  }
  const front = await page.context().newPage();
  await front.goto(server.url);
  await front.locator('#files').setInputFiles(paper('front.pdf', 10_000));
  await front.locator('#library .media', { hasText: 'front.pdf' }).waitFor();
  await sendHalf('left 1.txt', ids[0]);
  expect(await unfinished('left 1.txt').textContent()).toContain('50 %');
  await turn(page, 'visible');
  await unfinished('left 1.txt').getByText('100 %').waitFor();
});

it('goes on watching when the server is back', async () => {
  const id = await sendHalf('watched.txt');
  const watched = page.waitForResponse('**/events');
  await page.reload();
  await watched;
  await server.kill('SIGKILL');
  await server.run();
  await sendHalf('watched.txt', id);
  await unfinished('watched.txt').getByText('100 %').waitFor();
});

it('forgets an upload that is cancelled while nobody watches', async () => {
  const id = await sendHalf('gone.txt');
  await page.reload();
  await unfinished('gone.txt').waitFor();
  await turn(page, 'hidden');
  await page.evaluate(async (id) => {
    const headers = { authorization: `Bearer ${localStorage.getItem('demo token')}` };
    await fetch(`/api/v2/media/upload/${id}/`, { method: 'DELETE', headers });
  }, id);
  await turn(page, 'visible');
  await unfinished('gone.txt').waitFor({ state: 'detached' });
});

it('shows a thumbnail though the stream that tells of it was cut', async () => {
  const complete = 'id: complete\nevent: complete\ndata: {"image_thumbnail":null}\n\n';
  const cut = { contentType: 'text/event-stream', body: complete };
  await page.route('**/events', (route) => route.fulfill(cut), { times: 1 });
  const again = page.waitForRequest((request) => request.headers()['last-event-id'] === 'complete');
  await pick({ name: 'harbour.jpg', mimeType: 'image/jpeg', buffer: await harbour() });
  await again;
  await media('harbour.jpg').locator('img[src*="/thumbnails/"]').waitFor();
});

it('a slow network stays slow when people come back', async () => {
  await page.getByLabel('Slow network').check();
  await page.goto(`${server.url}/api/docs`);
  await page.goBack();
  expect(await page.getByLabel('Slow network').isChecked()).toBe(true);
  const sent = page.waitForRequest((request) => request.method() === 'POST');
  await pick(paper('slow.pdf', 1000));
  expect((await sent).headers()['x-fault']).toBe('slow');
});

it('sends nothing without a token that can be sent, and says what is wrong with it', async () => {
  const field = page.getByLabel('Bearer token');
  const good = await field.inputValue();
  await field.fill('wrong');
  await field.blur();
  await page.getByText('The token was refused').waitFor();
  await pick(paper('again.pdf', 1000));
  await button('Retry again.pdf').waitFor();
  const sent: string[] = [];
  page.on('request', (request) => sent.push(request.url()));
  await field.fill('eyJhbGci…');
  await field.blur();
  await page.getByText('No token contains “…”. Copy it again.').waitFor();
  await button('Retry again.pdf').click();
  await pick(paper('other.pdf', 1000));
  await field.fill('');
  await field.blur();
  await page.getByText('Paste a token.').waitFor();
  expect([sent, await rows('.upload')]).toEqual([[], 1]);
  await field.fill(good);
  await button('Retry again.pdf').click();
  await media('again.pdf').waitFor();
});

it('runs three uploads at once, even if files are chosen one by one', async () => {
  const waits = (name: string) => row(name).getByText('Waiting for its turn').waitFor();
  await page.getByLabel('Slow network').check();
  for (const n of [1, 2, 3, 4, 5]) await pick(paper(`${n}.pdf`, 1_500_000));
  await midway('3.pdf');
  await waits('4.pdf');
  await waits('5.pdf');
  await button('Pause 1.pdf').click();
  await midway('4.pdf');
  await button('Resume 1.pdf').click();
  await waits('1.pdf');
  await button('Cancel 5.pdf').click();
  await button('Cancel 2.pdf').click();
  await page.waitForFunction(() => !document.querySelector('.upload .detail')?.textContent?.includes('turn'));
  await page.getByLabel('Slow network').uncheck();
  for (const n of [1, 3, 4]) await media(`${n}.pdf`).waitFor();
});

it('says that a folder can’t be uploaded, and takes the file beside it', async () => {
  const folder = await mkdtemp(join(directory, 'folder-'));
  const file = join(directory, 'beside.pdf');
  await writeFile(file, pdf(1000));
  const data = { items: [], files: [folder, file], dragOperationsMask: 1 };
  const devtools = await page.context().newCDPSession(page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await devtools.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
  await row('folder-').getByText('Folders can’t be uploaded. Choose the files in it.').waitFor();
  expect(await row('folder-').getByRole('button', { name: 'Retry' }).isVisible()).toBe(false);
  await media('beside.pdf').waitFor();
});

it('cancels an upload that an earlier visit left unfinished', async () => {
  await page.getByLabel('Slow network').check();
  await pick(paper('left.pdf', 2_000_000));
  await midway('left.pdf');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.reload();
  await button('Cancel left.pdf').waitFor();
  await page.context().setOffline(true);
  await button('Cancel left.pdf').click();
  await unfinished('left.pdf').getByText('Not cancelled. You are offline.').waitFor();
  await page.context().setOffline(false);
  await button('Cancel left.pdf').click();
  await unfinished('left.pdf').waitFor({ state: 'detached' });
  await said('left.pdf cancelled');
  expect(await sessions()).toBe(0);
});

it('takes files that are pasted, or dropped anywhere, and shows an image before it has arrived', async () => {
  await page.getByLabel('Slow network').check();
  await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 200 });
    canvas.getContext('2d')?.fillRect(10, 10, 200, 100);
    const blob = await new Promise<Blob>((resolve) => canvas.toBlob((made) => resolve(made as Blob)));
    const transfer = (name: string) => {
      const data = new DataTransfer();
      data.items.add(new File([blob], name, { type: 'image/png' }));
      return data;
    };
    const init = { bubbles: true, cancelable: true };
    document.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: transfer('pasted.png') }));
    const drop = new DragEvent('drop', { ...init, dataTransfer: transfer('dropped.png') });
    document.querySelector('h1')?.dispatchEvent(drop);
    if (!drop.defaultPrevented) throw new Error('The browser would open the file');
  });
  await row('pasted.png').locator('.preview').waitFor();
  await page.getByLabel('Slow network').uncheck();
  await media('pasted.png').waitFor();
  await media('dropped.png').waitFor();
});

it('works where site data is blocked', async () => {
  const blocked = await (await browser.newContext()).newPage();
  await blocked.addInitScript(() =>
    Object.defineProperty(window, 'localStorage', {
      get: () => {
        throw new DOMException('Blocked', 'SecurityError');
      },
    }),
  );
  await blocked.goto(server.url);
  await blocked.getByRole('button', { name: 'Get a demo token' }).click();
  await blocked.waitForFunction(() => document.querySelector<HTMLInputElement>('#token')?.value !== '');
  await blocked.locator('#files').setInputFiles([paper('blocked.pdf', 1000)]);
  await blocked.locator('#library .media', { hasText: 'blocked.pdf' }).waitFor();
  await blocked.context().close();
});

it.each(['light', 'dark'] as const)('is accessible by axe, in %s colours', async (colorScheme) => {
  await page.emulateMedia({ colorScheme });
  const photo = { name: 'harbour.jpg', mimeType: 'image/jpeg', buffer: await harbour() };
  await pick(photo, { name: 'IMG_1.heic', mimeType: '', buffer: Buffer.alloc(10) });
  await media('harbour.jpg').waitFor();
  await page.getByLabel('Slow network').check();
  await pick(paper('running.pdf', 2_000_000));
  await midway('running.pdf');
  // The policy of the page allows no scripts from elsewhere; the browser's own evaluation is none.
  await page.evaluate(await readFile('node_modules/axe-core/axe.min.js', 'utf8'));
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResults> } };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations } = await axe.run({ runOnly: tags });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
  expect(violations).toEqual([]);
});

it('tells a screen reader how far it is every few seconds, and at once when it is done', async () => {
  await page.evaluate(() => {
    const told: [number, string][] = [];
    const status = document.querySelector('#status') as HTMLElement;
    const note = () => told.push([performance.now(), status.textContent ?? '']);
    new MutationObserver(note).observe(status, { childList: true });
    Object.assign(globalThis, { told });
  });
  await page.getByLabel('Slow network').check();
  await pick(paper('calm.pdf', 700_000));
  await media('calm.pdf').waitFor();
  const told = await page.evaluate(() => (globalThis as unknown as { told: [number, string][] }).told);
  expect(told.at(-1)?.[1]).toBe('Done: 1 file uploaded');
  const times = told.slice(0, -1).map(([at]) => at);
  expect(times.length).toBeGreaterThan(0);
  times.slice(1).forEach((at, i) => expect(at - times[i]!).toBeGreaterThan(4900));
});

it('can be used by keyboard alone, and never loses the focus', async () => {
  await page.getByLabel('Slow network').check();
  await tabTo('files');
  const chooser = page.waitForEvent('filechooser');
  await page.keyboard.press('Space');
  await (await chooser).setFiles([paper('first.pdf', 1_500_000), paper('second.pdf', 1_500_000)]);
  await midway('first.pdf');
  await tabTo('Pause first.pdf');
  await page.keyboard.press('Space');
  await row('first.pdf').getByText('Paused at').waitFor();
  expect(await focused()).toBe('Resume first.pdf');
  await page.keyboard.press('Space');
  await tabTo('Cancel first.pdf');
  await page.keyboard.press('Enter');
  await row('first.pdf').waitFor({ state: 'detached' });
  expect(await focused()).toBe('Pause second.pdf');
  await page.getByLabel('Slow network').uncheck();
  await media('second.pdf').waitFor();
  await tabTo('Clear finished');
  await page.keyboard.press('Enter');
  await row('second.pdf').waitFor({ state: 'detached' });
  expect(await focused()).toBe('Upload');
  await tabTo('Delete second.pdf');
  await page.keyboard.press('Enter');
  expect(await focused()).toBe('Really delete? second.pdf');
  await page.keyboard.press('Enter');
  await media('second.pdf').waitFor({ state: 'detached' });
  expect(await focused()).toBe('My files');
});

it('keeps the focus when all uploads are cancelled, and when there is no more to show', async () => {
  await uploadNotes(21);
  await page.reload();
  await tabTo('Show more');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('#library .media').length === 21);
  expect(await focused()).not.toBe('');
  await page.getByLabel('Slow network').check();
  await pick(paper('all.pdf', 2_000_000));
  await midway('all.pdf');
  await tabTo('Cancel all');
  await page.keyboard.press('Enter');
  await row('all.pdf').waitFor({ state: 'detached' });
  expect(await focused()).toBe('Upload');
});

it('names every button in a list after its file', async () => {
  await pick(paper('one.pdf', 1000), paper('two.pdf', 1000), {
    name: 'wrong.heic',
    mimeType: '',
    buffer: Buffer.alloc(9),
  });
  await media('two.pdf').waitFor();
  await media('one.pdf').waitFor();
  const names = await page
    .locator('li button:visible')
    .evaluateAll((buttons) => buttons.map((one) => one.getAttribute('aria-label') ?? ''));
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !/^[A-Z].* (one|two)\.pdf$|^Dismiss wrong\.heic$/.test(name))).toEqual([]);
});

it('moves nothing when people prefer reduced motion', async () => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.getByLabel('Slow network').check();
  await pick(paper('still.pdf', 1_000_000));
  await midway('still.pdf');
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .map((one) => getComputedStyle(one))
      .filter(
        ({ animationName, transitionDuration, scrollBehavior }) =>
          animationName !== 'none' || transitionDuration !== '0s' || scrollBehavior !== 'auto',
      ),
  );
  expect(moving).toHaveLength(0);
  await button('Cancel all').click();
});

it.each([1280, 768, 390, 320])('fits %d px, with everything that it can show', async (width) => {
  await page.setViewportSize({ width, height: 700 });
  await page.getByLabel('Slow network').check();
  const long = 'a-name-that-is-much-too-long-for-one-line-of-a-small-phone';
  await pick(paper(`${long}.pdf`, 2_000_000), {
    name: `${long}.heic`,
    mimeType: '',
    buffer: Buffer.alloc(9),
  });
  await midway(`${long}.pdf`);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  await button('Cancel all').click();
});
