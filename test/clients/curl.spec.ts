import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { md5 } from '../setup/client.js';
import { pdf } from '../setup/samples.js';
import { startUnderTest, type UnderTest } from '../setup/under-test.js';

const installed = spawnSync('curl', ['--version']).status === 0;
const describeCurl = installed ? describe : describe.skip;

const FILE_BYTES = 450_000;
const CHUNKS = [
  [0, 200_000],
  [200_000, 400_000],
  [400_000, 450_000],
] as const;

describeCurl(installed ? 'curl' : 'curl (skipped: it is not on this machine)', () => {
  const file = pdf(FILE_BYTES);
  let app: UnderTest;
  let dir: string;
  let authorization: string;

  beforeAll(async () => {
    app = await startUnderTest();
    dir = await mkdtemp(join(tmpdir(), 'mediadock-curl-'));
    authorization = `Authorization: Bearer ${await app.token()}`;
    await Promise.all(
      CHUNKS.map(([start, end], i) => writeFile(join(dir, `${i}`), file.subarray(start, end))),
    );
  });
  afterAll(() => Promise.all([app.stop(), rm(dir, { recursive: true, force: true })]));

  async function curl(path: string, ...options: string[]): Promise<string> {
    const url = new URL(path, app.url).href;
    const common = ['--silent', '--show-error', '--max-time', '10', '--header', authorization];
    return (await promisify(execFile)('curl', [...common, ...options, url], { cwd: dir })).stdout;
  }

  async function curlJson(path: string, ...options: string[]): Promise<Record<string, string>> {
    return JSON.parse(await curl(path, '--fail-with-body', ...options)) as Record<string, string>;
  }

  function range(i: number): string[] {
    const [start, end] = CHUNKS[i]!;
    return ['--header', `Content-Range: bytes ${start}-${end - 1}/${FILE_BYTES}`];
  }

  async function sendForm(i: number, uploadId: string): Promise<string> {
    const form = ['--form', `upload_id=${uploadId}`, '--form', `image=@${i};filename=a b.pdf`];
    return (await curlJson('/api/v2/media/upload/chunk/', ...range(i), ...form))['upload_id']!;
  }

  /** `--data-binary` claims to be a urlencoded form. */
  async function sendData(i: number, uploadId: string): Promise<string> {
    const path = `/api/v2/media/upload/chunk/?upload_id=${uploadId}`;
    return (await curlJson(path, ...range(i), '--data-binary', `@${i}`))['upload_id']!;
  }

  /** As a pipe does, which has no length. Behind a last slash curl would put the name of the file. */
  async function sendPiped(i: number, uploadId: string): Promise<string> {
    const path = `/api/v2/media/upload/chunk?upload_id=${uploadId}`;
    const options = ['--request', 'POST', '--header', 'Transfer-Encoding: chunked', '--upload-file', `${i}`];
    return (await curlJson(path, ...range(i), ...options))['upload_id']!;
  }

  it.each([
    ['--form', sendForm],
    ['--data-binary', sendData],
    ['--upload-file, in chunked transfer encoding', sendPiped],
  ])('uploads three chunks with %s', async (_, send) => {
    const id = await send(0, '');
    await send(1, id);
    expect(await curl(`/api/v2/media/upload/${id}/`, '--head')).toMatch(
      /^HTTP\/1\.1 200 [^]*^upload-offset: 400000\r$/im,
    );
    await send(2, id);
    const fields = ['--data', `upload_id=${id}`, '--data', `md5=${md5(file)}`];
    const media = await curlJson('/api/v2/media/upload/complete/', ...fields);
    expect(media).toMatchObject({ type: 'doc', size: FILE_BYTES });
    await curl(media['url']!, '--output', id);
    expect((await readFile(join(dir, id))).equals(file)).toBe(true);
  });

  it('exits with an error that says why', async () => {
    const wrong = curlJson('/api/v2/media/upload/complete/', '--data', 'md5=abc');
    await expect(wrong).rejects.toMatchObject({ code: 22, stdout: expect.stringContaining('upload_id') });
  });
});
