import { readdir } from 'node:fs/promises';
import { Client, md5 } from './setup/client.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

const CHUNK = 5000;

let app: TestApp;

beforeEach(async () => {
  app = await TestApp.start();
});

afterEach(async () => {
  await app.stop();
});

const files = () => readdir(`${app.config.dataDir}/uploads`);

describe('an upload that another server goes on with', () => {
  it('moves to another file, once', async () => {
    const [here, there] = [await Client.of(app), await Client.of(await app.twin())];
    const file = pdf(4 * CHUNK);
    const id = (await here.slice(file, 0, CHUNK)).body.upload_id as string;
    expect(await files()).toEqual([id]);
    expect((await there.slice(file, CHUNK, 2 * CHUNK, id)).status).toBe(201);
    const moved = await files();
    expect(moved).toEqual([expect.stringMatching(new RegExp(`^${id}\\.[0-9a-f]{8}$`))]);
    expect((await here.slice(file, 2 * CHUNK, 3 * CHUNK, id)).status).toBe(201);
    expect((await there.slice(file, 3 * CHUNK, 4 * CHUNK, id)).status).toBe(201);
    expect(await files()).toEqual(moved);
    const media = await here.complete(id, md5(file));
    expect(media.status).toBe(201);
    expect(Buffer.from(await (await fetch(media.body.url)).arrayBuffer())).toEqual(file);
    expect(await files()).toEqual([]);
  });

  it('is out of reach of the first one, which believes that the next chunk is its own to write', async () => {
    const [here, there] = [await Client.of(app), await Client.of(await app.twin())];
    const [file, other] = [pdf(3 * CHUNK), pdf(3 * CHUNK, 'other')];
    const id = (await here.slice(file, 0, CHUNK)).body.upload_id as string;
    expect((await there.slice(file, CHUNK, 2 * CHUNK, id)).status).toBe(201);
    const late = await here.slice(other, CHUNK, 2 * CHUNK, id);
    expect([late.status, late.body.code]).toEqual([409, 'chunk-conflict']);
    expect((await here.slice(file, 2 * CHUNK, 3 * CHUNK, id)).status).toBe(201);
    expect((await there.complete(id, md5(file))).status).toBe(201);
  });

  it('is not moved by what changes nothing', async () => {
    const [here, there] = [await Client.of(app), await Client.of(await app.twin())];
    const file = pdf(3 * CHUNK);
    const id = (await here.slice(file, 0, CHUNK)).body.upload_id as string;
    expect((await there.slice(file, 0, CHUNK, id)).headers.get('upload-replayed')).toBe('?1');
    expect((await there.slice(file, 2 * CHUNK, 3 * CHUNK, id)).status).toBe(409);
    expect((await (await stranger(there)).slice(file, CHUNK, 2 * CHUNK, id)).status).toBe(404);
    expect(await files()).toEqual([id]);
  });

  it('goes on after a restart, and can be cancelled', async () => {
    const file = pdf(3 * CHUNK);
    const id = (await (await Client.of(app)).slice(file, 0, CHUNK)).body.upload_id as string;
    app = await app.restart();
    const client = await Client.of(app);
    expect((await client.slice(file, CHUNK, 2 * CHUNK, id)).body.offset).toBe(String(2 * CHUNK));
    expect((await client.send('DELETE', `/api/v2/media/upload/${id}/`)).status).toBe(204);
    expect(await files()).toEqual([]);
  });
});

async function stranger(client: Client): Promise<Client> {
  return new Client(client.url, await app.token('8'));
}
