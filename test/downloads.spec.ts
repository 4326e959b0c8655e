import { createHash } from 'node:crypto';
import { request, type IncomingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { Files } from '../cluster/nginx.js';
import { freePort } from '../scripts/free-port.js';
import { SmallBlobs } from '../src/media/library/files/small-blobs.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5 } from './setup/client.js';
import { Hold, seen } from './setup/hold.js';
import { missing, startProxy, type Proxy } from './setup/proxy.js';
import { S3Server } from './setup/s3-server.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

interface Download {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** As no client does it for us: no header is added, no redirect followed. */
async function ask(url: string, method = 'GET', headers: Record<string, string> = {}): Promise<Download> {
  const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    request(url, { method, headers, agent: false }, resolve).once('error', reject).end();
  });
  return { status: response.statusCode ?? 0, headers: response.headers, bytes: await buffer(response) };
}

async function complete(client: Client, file: Buffer) {
  return (await client.complete(await client.upload(file), md5(file))).body;
}

async function withThumbnail(client: Client, file: Buffer) {
  const { id } = await complete(client, file);
  return await until(
    async () => (await client.send('GET', `/api/v2/media/${id}/`)).body,
    (media) => media.image_thumbnail,
  );
}

const LARGE = pdf(900_000);
const SMALL = pdf(1000);

/** Paths of a large file, a small one and a thumbnail. */
async function upload(app: TestApp): Promise<Record<string, string>> {
  const client = await Client.of(app);
  const [large, small] = [await complete(client, LARGE), await complete(client, SMALL)];
  const { image_thumbnail: thumbnail } = await withThumbnail(client, await jpeg(600, 400));
  const urls = { large: large.url, small: small.url, thumbnail: thumbnail.url };
  return Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, new URL(url).pathname]));
}

const TELLING = [
  'content-type',
  'content-length',
  'content-disposition',
  'content-range',
  'content-security-policy',
  'x-content-type-options',
  'cross-origin-resource-policy',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'cache-control',
  'etag',
  'last-modified',
];

function telling({ status, headers, bytes }: Download) {
  const isPage = status === 412 || status === 416;
  // What a proxy says of these itself.
  const names = isPage ? ['content-range'] : status === 200 ? ['accept-ranges', ...TELLING] : TELLING;
  return {
    status,
    headers: Object.fromEntries(names.map((name) => [name, headers[name]])),
    sha256: isPage ? '' : createHash('sha256').update(bytes).digest('hex'),
  };
}

type Ask = readonly [
  name: string,
  method: string,
  headers: (etag: string, date: string) => Record<string, string>,
];

const DAY_BEFORE = (date: string) => new Date(Date.parse(date) - 86_400_000).toUTCString();
const ASKED: readonly Ask[] = [
  ['the whole', 'GET', () => ({})],
  ['the whole, again', 'GET', () => ({})],
  ['HEAD', 'HEAD', () => ({})],
  ['a range', 'GET', () => ({ range: 'bytes=10-99' })],
  ['the last bytes', 'GET', () => ({ range: 'bytes=-7' })],
  ['more last bytes than there are', 'GET', () => ({ range: 'bytes=-99999999' })],
  ['no last bytes', 'GET', () => ({ range: 'bytes=-0' })],
  ['a range without end', 'GET', () => ({ range: 'bytes=50-' })],
  ['two ranges', 'GET', () => ({ range: 'bytes=0-1,5-6' })],
  ['a range past the end', 'GET', () => ({ range: 'bytes=99999999-' })],
  ['a unit nobody knows', 'GET', () => ({ range: 'lines=1-2' })],
  ['If-None-Match, same', 'GET', (etag) => ({ 'if-none-match': etag })],
  ['If-None-Match, other', 'GET', () => ({ 'if-none-match': '"other"' })],
  ['If-Match, same', 'GET', (etag) => ({ 'if-match': etag })],
  ['If-Match, other', 'GET', () => ({ 'if-match': '"other"' })],
  ['If-Range, same', 'GET', (etag) => ({ range: 'bytes=0-4', 'if-range': etag })],
  ['If-Range, other', 'GET', () => ({ range: 'bytes=0-4', 'if-range': '"other"' })],
  ['If-Modified-Since, same', 'GET', (_, date) => ({ 'if-modified-since': date })],
  ['If-Modified-Since, before', 'GET', (_, date) => ({ 'if-modified-since': DAY_BEFORE(date) })],
];

const WAYS = ['the server itself', 'Nest', 'nginx', 'nginx with a cache', 'nginx from the disk'] as const;

describe.each(WAYS)('a download by way of %s', (way) => {
  const reason = way.startsWith('nginx') ? missing('nginx') : undefined;
  if (reason) {
    it.skip(`is not tried: ${reason}`, () => undefined);
    return;
  }
  let app: TestApp;
  let proxy: Proxy | undefined;
  let url: string;
  let paths: Record<string, string>;
  /** What the server says by itself. */
  let plain: TestApp;

  beforeAll(async () => {
    plain = await TestApp.start({ SHARED_CACHE_SECONDS: '60' });
    paths = await upload(plain);
    app = await plain.twin(way === 'nginx from the disk' ? { X_ACCEL_REDIRECT: '/handed-over' } : {});
    const { dataDir } = app.config;
    const files: Files =
      way === 'nginx from the disk'
        ? { from: 'disk', dataDir }
        : { from: way === 'nginx with a cache' ? 'cache' : 'server' };
    url = app.url;
    if (!way.startsWith('nginx')) return;
    url = `http://127.0.0.1:${await freePort()}`;
    proxy = await startProxy('nginx', app.url, url, files);
  });
  afterAll(async () => {
    await proxy?.stop();
    await plain.stop();
  });

  /** An address that the short way does not know. */
  const address = (path = '') => `${url}${way === 'Nest' ? path.replace('.', '%2e') : path}`;

  describe.each(['large', 'small', 'thumbnail'])('of what is %s', (name) => {
    it.each(ASKED)('%s is as from the server', async (_, method, headersOf) => {
      const direct = `${plain.url}${paths[name]}`;
      const { headers } = await ask(direct);
      const asked = headersOf(String(headers.etag), headers['last-modified'] ?? new Date(0).toUTCString());
      const [expected, answer] = [
        await ask(direct, method, asked),
        await ask(address(paths[name]), method, asked),
      ];
      expect(telling(answer)).toEqual(telling(expected));
    });
  });

  it('asks with no-cache for an answer of the server, which may be 304, as the fetch of Node does', async () => {
    const { headers } = await ask(`${plain.url}${paths['small']}`);
    const [etag, date] = [String(headers.etag), String(headers['last-modified'])];
    for (const condition of [{ 'if-none-match': etag }, { 'if-modified-since': date }]) {
      const asked = { ...condition, 'cache-control': 'no-cache' };
      expect((await ask(address(paths['small']), 'GET', asked)).status).toBe(304);
    }
  });

  it('is in ranges of bytes, in any case of letters', async () => {
    const { status, bytes } = await ask(address(paths['small']), 'GET', { range: 'BYTES=0-1' });
    expect([status, bytes.length]).toEqual([206, 2]);
  });

  it('of nothing is a problem', async () => {
    for (const area of ['files', 'thumbnails']) {
      const { status, headers, bytes } = await ask(address(`/${area}/${'0'.repeat(32)}.pdf`));
      expect([status, headers['content-type'], headers['cache-control']]).toEqual([
        404,
        'application/problem+json; charset=utf-8',
        'no-store',
      ]);
      expect(JSON.parse(String(bytes)).code).toBe('file-not-found');
    }
  });
});

describe('a file that was deleted', () => {
  let app: TestApp;
  let client: Client;
  beforeAll(async () => {
    app = await TestApp.start({ SHARED_CACHE_SECONDS: '5' });
    client = await Client.of(app);
  });
  afterAll(() => app.stop());

  it('is gone at once where it was deleted, and within five seconds elsewhere', async () => {
    const twin = await app.twin();
    const { id, image, image_thumbnail: thumbnail } = await withThumbnail(client, await jpeg(300, 200));
    const paths = [image, thumbnail.url].map((url: string) => new URL(url).pathname);
    const statuses = async (url: string) =>
      await Promise.all(paths.map(async (path) => (await ask(url + path)).status));
    expect([await statuses(app.url), await statuses(twin.url)]).toEqual([
      [200, 200],
      [200, 200],
    ]);
    await client.send('DELETE', `/api/v2/media/${id}/`);
    const at = Date.now();
    expect(await statuses(app.url)).toEqual([404, 404]);
    await until(
      () => statuses(twin.url),
      (all) => all.every((status) => status === 404),
    );
    expect(Date.now() - at).toBeLessThan(10_000);
  });

  it('stays away, whoever has read its row a moment before', async () => {
    const { id, url } = await complete(client, SMALL);
    const [answers] = await Promise.all([
      Promise.all(Array.from({ length: 20 }, () => ask(url))),
      client.send('DELETE', `/api/v2/media/${id}/`),
    ]);
    expect(answers.every(({ status }) => [200, 404].includes(status))).toBe(true);
    expect((await ask(url)).status).toBe(404);
  });

  it('has its new name at once', async () => {
    const { id, url } = await complete(client, SMALL);
    await ask(url);
    await client.send('PATCH', `/api/v2/media/${id}/`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'renamed' }),
    });
    expect((await ask(url)).headers['content-disposition']).toBe('inline; filename="renamed.pdf"');
  });

  const inNginx = missing('nginx') ? it.skip : it;
  inNginx(
    'is gone from the cache of nginx after the time that is set, and not asked for before',
    async () => {
      const url = `http://127.0.0.1:${await freePort()}`;
      const proxy = await startProxy('nginx', app.url, url, { from: 'cache' });
      const { id, url: direct } = await complete(client, SMALL);
      const cached = url + new URL(direct).pathname;
      const first = await ask(cached);
      const again = await ask(cached);
      expect([first.status, again.headers['x-request-id']]).toEqual([200, first.headers['x-request-id']]);
      await client.send('DELETE', `/api/v2/media/${id}/`);
      await until(
        async () => (await ask(cached)).status,
        (status) => status === 404,
      );
      await proxy.stop();
    },
  );
});

describe('with S3_DOWNLOADS=redirect', () => {
  it('clients get bytes, type and disposition from the store, and conditions are judged before', async () => {
    const store = await S3Server.start();
    const app = await TestApp.start({ ...store.settings, S3_DOWNLOADS: 'redirect' });
    const { url } = await complete(await Client.of(app), LARGE);
    const answer = await ask(url);
    expect([answer.status, answer.headers['cache-control']]).toEqual([302, 'no-store']);
    const { origin, searchParams } = new URL(answer.headers.location ?? '');
    expect(origin).toBe(store.settings['S3_ENDPOINT']);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      'X-Amz-Expires': '300',
      'X-Amz-Signature': expect.stringMatching(/^[0-9a-f]{64}$/),
      'response-content-type': 'application/pdf',
      'response-content-disposition': expect.stringMatching(/^inline; filename="/),
      'response-cache-control': 'public, max-age=31536000, immutable',
    });
    const { headers, bytes } = await ask(answer.headers.location ?? '', 'GET', { range: 'bytes=5-9' });
    expect([headers['content-type'], bytes.equals(LARGE.subarray(5, 10))]).toEqual(['application/pdf', true]);
    const head = await ask(url, 'HEAD');
    expect([head.status, head.headers['content-length']]).toEqual([200, String(LARGE.length)]);
    expect((await ask(url, 'GET', { 'if-none-match': String(head.headers.etag) })).status).toBe(304);
    expect((await ask(url, 'GET', { range: 'bytes=99999999-' })).status).toBe(416);
    await app.stop();
    await store.stop();
  });
});

describe('downloads of many files at once', () => {
  it('all come to their end, more than the memory for them holds', async () => {
    const app = await TestApp.start();
    const client = await Client.of(app);
    const all = Array.from({ length: 100 }, (_, i) => pdf(240_000 + i));
    const urls: string[] = [];
    for (const file of all) urls.push((await complete(client, file)).url);
    const reads = Hold.on(app.app.get(BlobStorage), 'stream', 'before');
    const asked = seen(app.app.get(SmallBlobs), 'get', ({ key }: { key: string }) => key);
    const answers = urls.map((url) => ask(url));
    await until(
      () => Promise.resolve(asked.length),
      (count) => count === all.length,
    );
    reads.release();
    const bytes = (await Promise.all(answers)).map(({ bytes }) => bytes);
    expect(bytes.filter((got, i) => !got.equals(all[i]!))).toEqual([]);
    await app.stop();
  }, 60_000);
});

describe('with X_SENDFILE', () => {
  it('the proxy is told the path of the file', async () => {
    const app = await TestApp.start({ X_SENDFILE: 'true' });
    const { url } = await complete(await Client.of(app), SMALL);
    const { headers, bytes } = await ask(url);
    const [, key] = /files\/([0-9a-f]+)/.exec(url) ?? [];
    expect([headers['x-sendfile'], bytes.length]).toEqual([`${app.config.dataDir}/files/${key}`, 0]);
    await app.stop();
  });
});
