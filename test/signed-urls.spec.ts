import { createHmac, hkdfSync } from 'node:crypto';
import { jpeg, pdf } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { JWT_SECRET, TestApp } from './setup/test-app.js';

const SECRET = 'a secret for URLs that only tests know';
let app: TestApp;
let client: Client;
let url: URL;

beforeAll(async () => {
  app = await TestApp.start({ MEDIA_URLS: 'signed', MEDIA_URL_SECRET: SECRET });
  client = await Client.of(app);
  const file = pdf(1000);
  url = new URL((await client.complete(await client.upload(file), md5(file))).body.url);
});
afterAll(() => app.stop());

const now = () => Math.floor(Date.now() / 1000);

/** As the documentation says; not by the code that is tested. */
function signed(path: string, expires: string | number, secret = SECRET): string {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'mediadock file urls', 32));
  const signature = createHmac('sha256', key).update(`${path}\n${expires}`).digest('base64url');
  return `${path}?expires=${expires}&signature=${signature}`;
}

async function ask(path: string): Promise<[number, string]> {
  const { status, body } = await client.send('GET', path);
  return [status, body.code];
}

describe('a signed URL', () => {
  it('answers without a token until it expires, and is cached no longer', async () => {
    const expires = Number(url.searchParams.get('expires'));
    expect(expires - now()).toBeGreaterThanOrEqual(3599);
    expect(expires - now()).toBeLessThanOrEqual(3600 + 900);
    const response = await fetch(url, { headers: { range: 'bytes=0-9' } });
    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([206, 10]);
    const [, age] = /^private, max-age=(\d+)$/.exec(response.headers.get('cache-control') ?? '')!;
    expect(Math.abs(Number(age) - (expires - now()))).toBeLessThanOrEqual(2);
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
    expect(url.pathname + url.search).toBe(signed(url.pathname, expires));
  });

  it('is the same for a while, wherever the Media is told, and on every server', async () => {
    const twin = await app.twin({ MEDIA_URLS: 'signed', MEDIA_URL_SECRET: SECRET });
    const listed = await client.send('GET', '/api/v2/media/');
    const [{ id }] = listed.body.results;
    const got = await client.send('GET', `/api/v2/media/${id}/`);
    const changed = await client.send('PATCH', `/api/v2/media/${id}/`);
    const elsewhere = await new Client(twin.url, client.token).send('GET', `/api/v2/media/${id}/`);
    const search = (one: string) => new URL(one).searchParams;
    const all = [listed.body.results[0], got.body, changed.body, elsewhere.body].map((one) =>
      search(one.url),
    );
    for (const query of all) {
      // Unless the step of fifteen minutes ended in between.
      if (query.get('expires') === url.searchParams.get('expires'))
        expect(query.toString()).toBe(url.searchParams.toString());
      else expect(Number(query.get('expires'))).toBe(Number(url.searchParams.get('expires')) + 900);
    }
    expect((await fetch(elsewhere.body.url)).status).toBe(200);
  });

  it('stands under images too', async () => {
    const file = await jpeg(40, 30);
    const { image } = (await client.complete(await client.upload(file), md5(file))).body;
    expect((await fetch(image)).status).toBe(200);
    expect((await fetch(image.split('?')[0])).status).toBe(403);
  });

  it('that has expired is 403', async () => {
    expect(await ask(signed(url.pathname, now() - 1))).toEqual([403, 'expired-url']);
    expect((await client.send('GET', signed(url.pathname, now() + 5))).status).toBe(200);
  });

  const unknown = `/files/${'0'.repeat(32)}.pdf`;
  it.each<[string, (path: string) => string]>([
    ['none', (path) => path],
    ['no expiry', (path) => signed(path, now() + 60).replace(/expires=\d+&/, '')],
    ['no signature', (path) => signed(path, now() + 60).replace(/&.*/, '')],
    ['another expiry', (path) => signed(path, now() + 60).replace(/=\d+/, `=${now() + 600}`)],
    ['another file', (path) => signed(`${path}x`, now() + 60).replace('x?', '?')],
    ['another extension', (path) => signed(path, now() + 60).replace('.pdf?', '.html?')],
    ['another secret', (path) => signed(path, now() + 60, 'another secret, as long as the first')],
    ['the secret of tokens', (path) => signed(path, now() + 60, JWT_SECRET)],
    ['an empty signature', (path) => `${path}?expires=${now() + 60}&signature=`],
    ['one more character', (path) => `${signed(path, now() + 60)}=`],
    ['a long signature', (path) => `${path}?expires=1&signature=${'a'.repeat(4000)}`],
    ['two signatures', (path) => `${signed(path, now() + 60)}&signature=a`],
    ['an expiry that is no number', (path) => signed(path, now() + 60).replace('expires=', 'expires=%2b')],
  ])('with %s is 403, be there a file or not', async (_, make) => {
    expect(await ask(make(url.pathname))).toEqual([403, 'invalid-signature']);
    expect(await ask(make(unknown))).toEqual([403, 'invalid-signature']);
  });

  it('of a file that is gone is 404', async () => {
    expect(await ask(signed(unknown, now() + 60))).toEqual([404, 'file-not-found']);
  });

  it('is signed with a key of JWT_SECRET when there is no other', async () => {
    const own = await TestApp.start({ MEDIA_URLS: 'signed' });
    const me = await Client.of(own);
    const file = pdf(1000);
    const media = (await me.complete(await me.upload(file), md5(file))).body;
    const { pathname, search, searchParams } = new URL(media.url);
    expect(pathname + search).toBe(signed(pathname, searchParams.get('expires')!, JWT_SECRET));
    expect((await fetch(media.url)).status).toBe(200);
    await own.stop();
  });
});
