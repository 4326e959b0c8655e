import { jest } from '@jest/globals';
import { http, MediaService } from '@selfcommunity/api-services';
import { Client, CHUNK_BYTES, md5 } from '../setup/client.js';
import { pdf } from '../setup/samples.js';
import { startUnderTest, type UnderTest } from '../setup/under-test.js';

/** The platform's own client library, with its address and token set as its users set them. */
let app: UnderTest;
let client: Client;

beforeAll(async () => {
  // It tells the console of every failure.
  jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  app = await startUnderTest();
  client = await Client.of(app);
  http.setBasePortal(app.url);
  http.setAuthorizeToken(client.token);
});
afterAll(() => app.stop());

interface Receipt {
  readonly upload_id: string;
  readonly offset: string;
}

/** It says that all it posts is JSON, and then axios makes JSON of a form: so the form has to insist on being one. */
const asForm = {
  transformRequest: (form: FormData, headers: { delete(name: string): void }) => {
    headers.delete('content-type');
    return form;
  },
};

async function send(file: Buffer, start: number, uploadId: string): Promise<Receipt> {
  const bytes = file.subarray(start, start + CHUNK_BYTES);
  const form = new FormData();
  if (uploadId) form.append('upload_id', uploadId);
  form.append('image', new Blob([new Uint8Array(bytes)], { type: 'application/pdf' }), 'report.pdf');
  const answer: unknown = await MediaService.chunkUploadMedia(
    form as never,
    start,
    start + bytes.length - 1,
    file.length,
    asForm as never,
  );
  return answer as Receipt;
}

async function upload(file: Buffer): Promise<Receipt> {
  let receipt: Receipt = { upload_id: '', offset: '0' };
  while (Number(receipt.offset) < file.length)
    receipt = await send(file, Number(receipt.offset), receipt.upload_id);
  return receipt;
}

describe('@selfcommunity/api-services', () => {
  it('uploads, completes, reads, clicks, changes and deletes', async () => {
    const file = pdf(500_000);
    const { upload_id } = await upload(file);
    const media = await MediaService.chunkUploadMediaComplete({
      upload_id,
      md5: md5(file),
      type: 'document',
    } as never);
    expect(media).toMatchObject({ type: 'doc', title: 'report.pdf', size: 500_000, image: null });
    expect(Buffer.from(await (await fetch(media.url!)).arrayBuffer()).equals(file)).toBe(true);
    expect(await MediaService.getSpecificMedia(media.id)).toEqual(media);
    await MediaService.clickMedia(media.id);
    expect(await app.sql('SELECT clicks FROM media WHERE id = $1', [media.id])).toEqual([{ clicks: '1' }]);
    expect(await MediaService.updateMedia(media.id, '')).toMatchObject({ id: media.id });
    await MediaService.deleteMedia(media.id);
    await expect(MediaService.getSpecificMedia(media.id)).rejects.toMatchObject({
      response: { status: 404 },
    });
  });

  it('goes on where the server says, by the problem that it is given', async () => {
    const file = pdf(500_000);
    const { upload_id } = await send(file, 0, '');
    const failure = await send(file, 2 * CHUNK_BYTES, upload_id).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      response: { status: 409, data: { action: 'resume-from-offset', offset: String(CHUNK_BYTES) } },
    });
    expect((await send(file, CHUNK_BYTES, upload_id)).offset).toBe(String(2 * CHUNK_BYTES));
  });

  it('is told what is wrong with a form that became JSON on its way', async () => {
    const form = new FormData();
    form.append('image', new Blob(['%PDF-1.7 and so on']), 'a.pdf');
    const failure: unknown = await MediaService.chunkUploadMedia(form as never, 0, 17, 18).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ response: { status: 415, data: { code: 'unsupported-body' } } });
  });
});
