import { md5 } from '../setup/client.js';
import { FaultyProxy } from '../setup/faulty-proxy.js';
import { Page, type PageUpload } from '../setup/page.js';
import { jpeg, pdf } from '../setup/samples.js';
import { startUnderTest, type UnderTest } from '../setup/under-test.js';

const CHUNK_PATH = '/api/v2/media/upload/chunk/';

let app: UnderTest;
let page: Page;

beforeAll(async () => {
  [app, page] = await Promise.all([startUnderTest(), Page.open()]);
}, 30_000);
afterAll(() => Promise.all([page.close(), app.stop()]));

async function upload(bytes: Buffer, name: string, type: string, more: Partial<PageUpload> = {}) {
  const file = { bytes, name, type, md5: md5(bytes) };
  return await page.upload({ url: app.url, token: await app.token(), file, ...more });
}

async function download(url: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

function partNames(form: Buffer): (string | undefined)[] {
  return [...form.toString('latin1').matchAll(/^content-disposition: form-data; name="(\w+)"/gim)].map(
    ([, name]) => name,
  );
}

describe('the React upload component on a page of another origin', () => {
  it('uploads a PDF', async () => {
    const file = pdf(900_000);
    const { chunks, completion } = await upload(file, 'a b.pdf', 'application/pdf');
    expect(chunks.map(({ status, body }) => [status, body.offset])).toEqual([
      [201, '204800'],
      [201, '409600'],
      [201, '614400'],
      [201, '819200'],
      [201, '900000'],
    ]);
    expect(new Set(chunks.map(({ body }) => body.upload_id)).size).toBe(1);
    expect(completion).toMatchObject({ status: 201, body: { type: 'doc', title: 'a b.pdf', size: 900_000 } });
    expect((await download(completion!.body.url)).equals(file)).toBe(true);
  });

  it('uploads an image', async () => {
    const file = await jpeg(900, 700);
    const { chunks, completion } = await upload(file, 'photo.jpg', 'image/jpeg');
    expect(chunks).toHaveLength(Math.ceil(file.length / 204_800));
    expect(completion).toMatchObject({
      status: 201,
      body: { type: 'image', title: 'photo.jpg', image_width: 900, image_height: 700 },
    });
    expect((await download(completion!.body.image)).equals(file)).toBe(true);
  });

  it('uploads a file of less than one chunk', async () => {
    const { chunks, completion } = await upload(pdf(1000), 'small.pdf', 'application/pdf');
    expect(chunks.map(({ body }) => body.offset)).toEqual(['1000']);
    expect(completion).toMatchObject({ status: 201, body: { title: 'small.pdf' } });
  });

  it.each([
    ['Größe "1" 写真 🙂.pdf', 'Größe "1" 写真 🙂.pdf'],
    ['blob', null],
  ])('has the name %j become the title %j', async (name, title) => {
    const { completion } = await upload(pdf(1000), name, 'application/pdf');
    expect(completion!.body.title).toBe(title);
  });

  it('asks by preflight, without a token, before it sends a range in a part named image', async () => {
    const proxy = await FaultyProxy.start(app.url);
    await upload(pdf(300_000), 'a.pdf', 'application/pdf', { url: proxy.url });
    await proxy.stop();
    const sent = proxy.exchanges.filter(({ path }) => path === CHUNK_PATH);
    expect(sent.map(({ method, headers }) => [method, headers['content-range']])).toEqual([
      ['OPTIONS', undefined],
      ['POST', 'bytes 0-204799/300000'],
      ['OPTIONS', undefined],
      ['POST', 'bytes 204800-299999/300000'],
    ]);
    expect(sent.map(({ body }) => partNames(body))).toEqual([[], ['image'], [], ['upload_id', 'image']]);
    expect(sent[0]!.headers).toMatchObject({
      origin: 'http://community.example',
      'access-control-request-headers': expect.stringMatching(/^Authorization, ?Content-Range$/i),
    });
    expect(sent[0]!.headers.authorization).toBeUndefined();
  });

  it('uploads with chunks as bare bodies', async () => {
    const file = pdf(500_000);
    const { chunks, completion } = await upload(file, 'a.pdf', 'application/pdf', { raw: true });
    expect(chunks.map(({ body }) => body.offset)).toEqual(['204800', '409600', '500000']);
    expect(completion).toMatchObject({ status: 201, body: { type: 'doc', title: null } });
    expect((await download(completion!.body.url)).equals(file)).toBe(true);
  });
});

describe('the React upload component reads', () => {
  it('why a file is refused', async () => {
    const { chunks, failure } = await upload(Buffer.from('<!doctype html>'), 'a.pdf', 'application/pdf');
    expect(chunks).toEqual([]);
    expect(failure).toMatchObject({ status: 415, body: { status: 415, errors: [expect.anything()] } });
  });

  it('that its token is not taken', async () => {
    const { failure } = await upload(pdf(1000), 'a.pdf', 'application/pdf', { token: 'expired' });
    expect(failure).toMatchObject({ status: 401, body: { action: 'refresh-token' } });
  });
});

it('the React upload component gets nothing from a server that does not name the origin of its page', async () => {
  const closed = await startUnderTest({ CORS_ORIGINS: 'https://other.example' });
  const { chunks, failure } = await upload(pdf(1000), 'a.pdf', 'application/pdf', {
    url: closed.url,
    token: await closed.token(),
  });
  expect([chunks, failure!.status]).toEqual([[], 0]);
  expect(await closed.sql('SELECT id FROM upload_session')).toEqual([]);
  await closed.stop();
});
