import { CHUNK_BYTES, Client, md5, type Answer } from '../setup/client.js';
import { jpeg, pdf } from '../setup/samples.js';
import { startUnderTest, type UnderTest } from '../setup/under-test.js';

/** The requests of blueimp-file-upload, header by header. */
let app: UnderTest;
let client: Client;

beforeAll(async () => {
  app = await startUnderTest();
  client = await Client.of(app);
});
afterAll(() => app.stop());

const NAME = 'Größe 1 (写真).pdf';
const disposition = `attachment; filename="${encodeURI(NAME)}"`;

/** One request of `maxChunkSize`; with `multipart: false` the chunk is the body. */
async function post(file: Buffer, start: number, uploadId = '', multipart = true): Promise<Answer> {
  const bytes = new Uint8Array(file.subarray(start, start + CHUNK_BYTES));
  const headers = {
    origin: 'http://community.example',
    'content-range': `bytes ${start}-${start + bytes.length - 1}/${file.length}`,
    'content-disposition': disposition,
  };
  if (!multipart) {
    const raw = { ...headers, 'content-type': 'application/pdf' };
    return await client.send('POST', `/api/v2/media/upload/chunk/?upload_id=${uploadId}`, {
      headers: raw,
      body: bytes,
    });
  }
  const body = new FormData();
  if (uploadId) body.append('upload_id', uploadId);
  body.append('image', new Blob([bytes]), 'blob');
  return await client.send('POST', '/api/v2/media/upload/chunk/', { headers, body });
}

describe('blueimp-file-upload', () => {
  it.each([
    ['forms', true],
    ['bare bodies', false],
  ])('uploads a PDF in chunks as %s, named in Content-Disposition', async (_, multipart) => {
    const file = pdf(500_000);
    const { upload_id: id } = (await post(file, 0, '', multipart)).body;
    await post(file, CHUNK_BYTES, id, multipart);
    expect((await post(file, 2 * CHUNK_BYTES, id, multipart)).body.offset).toBe('500000');
    const { status, body } = await client.complete(id, md5(file));
    expect([status, body.title]).toEqual([201, NAME]);
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it('is given no Range header, which it would take for the offset to go on from', async () => {
    const { status, headers } = await post(pdf(500_000), 0);
    expect([status, headers.get('range')]).toEqual([201, null]);
    expect(headers.get('access-control-expose-headers')!.split(',')).not.toContain('Range');
  });

  it('uploads a small image as one form without Content-Range', async () => {
    const file = await jpeg(100, 80);
    const form = new FormData();
    form.append('image', new Blob([new Uint8Array(file)], { type: 'image/jpeg' }), 'photo.jpg');
    const first = await client.send('POST', '/api/v2/media/upload/chunk/', { body: form });
    expect([first.status, first.body.offset]).toEqual([201, String(file.length)]);
    const { body } = await client.complete(first.body.upload_id, md5(file));
    expect(body).toMatchObject({ type: 'image', title: 'photo.jpg', image_width: 100 });
    expect(Buffer.from(await (await fetch(body.image)).arrayBuffer()).equals(file)).toBe(true);
  });
});
