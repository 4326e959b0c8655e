import { connect } from 'node:net';
import { Client, md5 } from './setup/client.js';
import { jpeg, pdf, text } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start({ JWT_SECRET: '' });
  client = await Client.of(app);
});
afterAll(() => app.stop());

describe('no cache keeps', () => {
  it.each([
    ['GET', '/health/live', 200],
    ['GET', '/health/ready', 200],
    ['GET', '/api/v2/media/', 200],
    ['GET', '/api/v2/media/upload/', 200],
    ['GET', '/api/openapi.json', 200],
    ['POST', '/api/v2/dev/token/', 201],
    ['POST', '/api/v2/media/1/click/', 204],
    ['GET', '/api/v2/media/1/', 404],
    ['GET', '/api/v2/media/upload/x/', 404],
    ['POST', '/api/v2/media/upload/complete/', 400],
    ['PUT', '/health/live', 405],
    ['GET', '/nothing', 404],
    ['GET', '/files/3f786850e387550fdab836ed7e6dc881.png', 404],
    ['GET', '/demo/nothing.js', 404],
    ['GET', '/demo', 404],
    ['GET', '/client', 404],
    ['GET', '/files/%', 400],
  ])('%s %s, %s', async (method, path, status) => {
    const answer = await client.send(method, path);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store']);
  });

  it('the answer to a chunk, its upload, its completion and its Media', async () => {
    const file = text(1000);
    const first = await client.slice(file, 0, 500);
    const second = await client.slice(file, 500, 1000, first.body.upload_id);
    const status = await client.status(first.body.upload_id);
    const media = await client.complete(first.body.upload_id, md5(file));
    const answers = [
      first,
      second,
      status,
      media,
      await client.send('GET', `/api/v2/media/${media.body.id}/`),
    ];
    expect(answers.map(({ headers }) => headers.get('cache-control'))).toEqual(answers.map(() => 'no-store'));
  });

  it('a refusal of a bad token, and of what is not HTTP', async () => {
    const refused = await fetch(new URL('/api/v2/media/', app.url));
    expect([refused.status, refused.headers.get('cache-control')]).toEqual([401, 'no-store']);
    const socket = connect(Number(new URL(app.url).port), '127.0.0.1');
    socket.write('NO HTTP\r\n\r\n');
    let answer = '';
    for await (const piece of socket) answer += String(piece);
    expect(answer).toMatch(/^HTTP\/1\.1 400 [^]*^Cache-Control: no-store\r$/m);
  });
});

describe('caches keep', () => {
  it('files and thumbnails for as long as their URLs last', async () => {
    const image = await jpeg(40, 30);
    const { body } = await client.complete(await client.upload(image), md5(image));
    const { image_thumbnail: thumbnail } = await until(
      async () => (await client.send('GET', `/api/v2/media/${body.id}/`)).body,
      (media) => media.image_thumbnail,
    );
    for (const url of [body.image, thumbnail.url])
      expect((await client.send('GET', url)).headers.get('cache-control')).toBe(
        'public, max-age=31536000, immutable',
      );
    const document = await client.complete(await client.upload(pdf(100)), md5(pdf(100)));
    const range = await client.send('GET', document.body.url, { headers: { range: 'bytes=200-300' } });
    expect([range.status, range.headers.get('cache-control')]).toEqual([416, 'no-store']);
  });

  it.each(['/', '/demo/demo.js', '/client/browser.js', '/api/docs', '/api/docs/swagger-ui-bundle.js'])(
    '%s, which a page is made of, and ask again',
    async (path) => {
      const answer = await client.send('GET', path);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-cache']);
    },
  );
});
