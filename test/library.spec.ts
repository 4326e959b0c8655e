import { readdir } from 'node:fs/promises';
import { jpeg, pdf, text } from './setup/samples.js';
import { Client, md5 } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

// eslint-disable-next-line @typescript-eslint/no-explicit-any
async function media(file: Buffer, fileName?: string): Promise<any> {
  const id = await client.upload(file, fileName ? { fileName } : {});
  return (await client.complete(id, md5(file))).body;
}

describe('a Media', () => {
  it('is there for its owner, and for nobody else', async () => {
    const one = await media(pdf(400));
    expect((await client.send('GET', `/api/v2/media/${one.id}/`)).body).toEqual(one);
    const stranger = await Client.of(app, '8');
    for (const method of ['GET', 'DELETE']) {
      const foreign = await stranger.send(method, `/api/v2/media/${one.id}/`);
      const unknown = await stranger.send(method, '/api/v2/media/2000000000/');
      expect([foreign.status, foreign.body.code]).toEqual([404, 'media-not-found']);
      expect({ ...foreign.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
    }
  });

  it.each([
    '0',
    '-1',
    '1.5',
    'abc',
    '99999999999999999999',
    '2147483648',
    '1e3',
    '%00',
    '0x1',
    '1.0',
    '01',
    '+1',
    '%201',
  ])('the id %s is 404', async (id) => {
    expect((await client.send('GET', `/api/v2/media/${id}/`)).status).toBe(404);
  });

  it('goes with its file and its session when deleted', async () => {
    const file = pdf(500);
    const uploadId = await client.upload(file);
    const { body } = await client.complete(uploadId, md5(file));
    const before = await readdir(`${app.config.dataDir}/files`);
    expect((await client.send('DELETE', `/api/v2/media/${body.id}/`)).status).toBe(204);
    expect((await readdir(`${app.config.dataDir}/files`)).length).toBe(before.length - 1);
    expect((await fetch(body.url)).status).toBe(404);
    expect((await client.send('DELETE', `/api/v2/media/${body.id}/`)).status).toBe(404);
    expect((await client.complete(uploadId, md5(file))).status).toBe(404);
  });
});

describe('a file', () => {
  it('needs no token and says exactly what it is', async () => {
    const file = await jpeg(40, 30);
    const { image } = await media(file, '写真.jpg');
    const { status, headers } = await fetch(image, { headers: { origin: 'https://elsewhere.example' } });
    expect(status).toBe(200);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': String(file.length),
      'content-disposition': `inline; filename="??.jpg"; filename*=UTF-8''%E5%86%99%E7%9C%9F.jpg`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cache-control': 'public, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
      etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
    });
  });

  it('is an attachment unless a browser shows it safely', async () => {
    const { url } = await media(text(50), 'notes.txt');
    const { headers } = await fetch(url);
    expect([headers.get('content-disposition'), headers.get('content-type')]).toEqual([
      'attachment; filename="notes.txt"',
      'text/plain; charset=utf-8',
    ]);
  });

  it.each([
    ['bytes=0-9', 206, 'bytes 0-9/1000', [0, 10]],
    ['bytes=990-', 206, 'bytes 990-999/1000', [990, 1000]],
    ['bytes=-5', 206, 'bytes 995-999/1000', [995, 1000]],
    ['bytes=0-99999', 206, 'bytes 0-999/1000', [0, 1000]],
    ['bytes=0-1,5-6', 200, null, [0, 1000]],
    ['lines=1-2', 200, null, [0, 1000]],
  ])('Range %s → %i', async (range, status, contentRange, [start, end]) => {
    const file = pdf(1000);
    const { url } = await media(file);
    const response = await fetch(url, { headers: { range } });
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange]);
    expect(Buffer.from(await response.arrayBuffer()).equals(file.subarray(start, end))).toBe(true);
  });

  it('answers 412 to a condition that does not hold', async () => {
    const { url } = await media(pdf(1000));
    const response = await fetch(url, { headers: { 'if-match': '"other"' } });
    expect([response.status, (await response.json()).code]).toEqual([412, 'precondition-failed']);
  });

  it('answers 416 past its end, as a problem', async () => {
    const { url } = await media(pdf(1000));
    const response = await fetch(url, { headers: { range: 'bytes=1000-' } });
    expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */1000']);
    expect(response.headers.get('content-disposition')).toBeNull();
    expect(await response.json()).toMatchObject({ code: 'range-not-satisfiable' });
  });

  it('answers 304 to its own ETag, and the whole to a Range of another one', async () => {
    const { url } = await media(pdf(1000));
    const etag = (await fetch(url, { method: 'HEAD' })).headers.get('etag')!;
    // fetch asks past caches when it sees a condition, unless told how.
    const ask = async (headers: Record<string, string>) =>
      (await fetch(url, { headers: { 'cache-control': 'max-age=0', ...headers } })).status;
    expect(await ask({ 'if-none-match': etag })).toBe(304);
    expect(await ask({ 'if-none-match': '"other"' })).toBe(200);
    expect(await ask({ range: 'bytes=0-1', 'if-range': etag })).toBe(206);
    expect(await ask({ range: 'bytes=0-1', 'if-range': '"other"' })).toBe(200);
  });

  it.each(['x', '0'.repeat(32), `${'0'.repeat(32)}.pdf`, '..%2f..%2fjwt-secret', '%2e%2e', '%00', '%ff'])(
    '%s is 404 or 400',
    async (name) => {
      const { status, body } = await client.send('GET', `/files/${name}`);
      expect([400, 404]).toContain(status);
      expect(body.status).toBe(status);
    },
  );
});
