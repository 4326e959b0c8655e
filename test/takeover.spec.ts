import { open, readdir, truncate } from 'node:fs/promises';
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

describe('a chunk that is announced while it is written', () => {
  const file = pdf(5 * CHUNK);
  let here: Client;
  let there: Client;
  let id: string;

  const row = async () => await app.sql(`SELECT "offset", tail_end FROM upload_session WHERE id = $1`, [id]);
  const standings = async () =>
    await Promise.all(
      [here, there].flatMap((client) => [
        client.status(id).then(({ body }) => body.offset),
        client.send('GET', '/api/v2/media/upload/').then(({ body }) => body.results[0].offset),
        client
          .send('POST', `/api/v2/media/upload/chunk/?upload_id=${id}`, {
            headers: { 'content-range': `bytes */${file.length}` },
          })
          .then(({ body }) => body.offset),
        client.complete(id, md5(file)).then(({ body }) => body.offset),
      ]),
    );
  const finish = async (start: number) => {
    for (let at = start; at < file.length; at += CHUNK)
      expect((await here.slice(file, at, at + CHUNK, id)).body.offset).toBe(String(at + CHUNK));
    const { body } = await here.complete(id, md5(file));
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer())).toEqual(file);
  };

  beforeEach(async () => {
    [here, there] = [await Client.of(app), await Client.of(await app.twin())];
    id = (await here.slice(file, 0, CHUNK)).body.upload_id;
    await here.slice(file, CHUNK, 2 * CHUNK, id);
    await here.slice(file, 2 * CHUNK, 3 * CHUNK, id);
  });

  it('is counted when the next one is announced, and wherever anybody asks', async () => {
    expect(await row()).toEqual([{ offset: String(2 * CHUNK), tail_end: String(3 * CHUNK) }]);
    expect(await standings()).toEqual(Array(8).fill(String(3 * CHUNK)));
    await finish(3 * CHUNK);
    expect(await row()).toEqual([{ offset: String(5 * CHUNK), tail_end: null }]);
  });

  it('is repeated as any other, here and elsewhere', async () => {
    for (const client of [there, here, there]) {
      const { status, headers } = await client.slice(file, 2 * CHUNK, 3 * CHUNK, id);
      expect([status, headers.get('upload-replayed')]).toEqual([201, '?1']);
      const other = await client.slice(pdf(5 * CHUNK, 'other'), 2 * CHUNK, 3 * CHUNK, id);
      expect([other.status, other.body.code, other.body.offset]).toEqual([
        409,
        'chunk-conflict',
        String(3 * CHUNK),
      ]);
    }
    expect(await files()).toEqual([id]);
    await finish(3 * CHUNK);
  });

  it('is gone on with elsewhere', async () => {
    expect((await there.slice(file, 3 * CHUNK, 4 * CHUNK, id)).body.offset).toBe(String(4 * CHUNK));
    await finish(4 * CHUNK);
  });

  it('is gone on with after both were restarted', async () => {
    await app.close();
    app = await TestApp.on(app.database, app.config.dataDir);
    here = await Client.of(app);
    expect((await here.status(id)).body.offset).toBe(String(3 * CHUNK));
    await finish(3 * CHUNK);
  });

  describe.each([
    ['never came to the disk', () => truncate(`${app.config.dataDir}/uploads/${id}`, 2 * CHUNK)],
    ['came there in part', () => overwrite(`${app.config.dataDir}/uploads/${id}`, 3 * CHUNK - 1)],
  ])('and %s', (_, damage) => {
    it.each([
      ['the one that announced it', () => here],
      ['another one', () => there],
    ])('does not count, and is sent again to %s', async (_, which) => {
      await damage();
      expect(await standings()).toEqual(Array(8).fill(String(2 * CHUNK)));
      expect((await there.slice(file, 3 * CHUNK, 4 * CHUNK, id)).body).toMatchObject({
        code: 'mismatching-upload-offset',
        offset: String(2 * CHUNK),
      });
      const again = await which().slice(file, 2 * CHUNK, 3 * CHUNK, id);
      expect([again.status, again.headers.get('upload-replayed')]).toEqual([201, null]);
      await finish(3 * CHUNK);
    });
  });
});

/** As if the byte there had never been written. */
async function overwrite(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.of(0), 0, 1, position);
  await file.close();
}

async function stranger(client: Client): Promise<Client> {
  return new Client(client.url, await app.token('8'));
}
