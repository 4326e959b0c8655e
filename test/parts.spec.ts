import { open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { Database } from '../src/database/database.js';
import { ServiceUnavailable } from '../src/errors/app-error.js';
import { Admission } from '../src/media/admission/admission.js';
import { Fsck } from '../src/media/upkeep/fsck.js';
import { AnnouncingUploadStore } from '../src/media/uploads/sessions/announced-tail.js';
import { UploadSessions } from '../src/media/uploads/sessions/upload-sessions.js';
import { UploadStore } from '../src/media/uploads/sessions/upload-store.js';
import { UploadsModule } from '../src/media/uploads/uploads.module.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5, type Answer } from './setup/client.js';
import { failOnce, Hold } from './setup/hold.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const CHUNK = 5000;
const file = pdf(5 * CHUNK);
const other = pdf(5 * CHUNK, 'other');

/** Announcing is switched off by one line of the module. Tests of it alone are skipped then. */
const [provider] = (
  Reflect.getMetadata('providers', UploadsModule) as { provide?: unknown; useClass?: unknown }[]
).filter(({ provide }) => provide === UploadStore);
const announces = provider?.useClass === AnnouncingUploadStore;
const itAnnounces = announces ? it : it.skip;

let app: TestApp;
let twin: TestApp;
let here: Client;
let there: Client;
let id: string;

beforeEach(async () => {
  app = await TestApp.start();
  twin = await app.twin();
  [here, there] = [await Client.of(app), await Client.of(twin)];
  id = (await here.slice(file, 0, CHUNK)).body.upload_id;
});
afterEach(() => app.stop());

const files = async () => (await readdir(`${app.config.dataDir}/uploads`)).sort();

/** The statement that makes chunks count. */
const commits = (of: TestApp) => of.app.get(UploadStore) as unknown as { commit: () => Promise<unknown> };

/** Sends the chunk that starts `index` chunks into the file. */
const send = (client: Client, index: number, content = file) =>
  client.slice(content, index * CHUNK, (index + 1) * CHUNK, id);

const parts = () =>
  app.sql<{ start: string; name: string }>(
    `SELECT start, name FROM upload_part WHERE upload_id = $1 ORDER BY start`,
    [id],
  );

/** Starts of the parts, in chunks. */
const starts = async () => (await parts()).map(({ start }) => Number(start) / CHUNK);

const pathOf = async (index: number) => `${app.config.dataDir}/uploads/${(await parts())[index]?.name ?? ''}`;

function expectAppended(answer: Answer, index: number): void {
  const replayed = answer.headers.get('upload-replayed');
  expect({ ...answer.body, status: answer.status, replayed }).toMatchObject({
    status: 201,
    offset: String((index + 1) * CHUNK),
    replayed: null,
  });
}

function expectReplayed(answer: Answer, offset: number): void {
  const replayed = answer.headers.get('upload-replayed');
  expect({ ...answer.body, status: answer.status, replayed }).toMatchObject({
    status: 201,
    offset: String(offset * CHUNK),
    replayed: '?1',
  });
}

/** Sends the chunks from `start` on and completes: the finished file is the one that was sent. */
async function finish(start: number, client = here): Promise<void> {
  for (let index = start; index < 5; index++) expectAppended(await send(client, index), index);
  await completeWith(client);
}

async function completeWith(client: Client): Promise<void> {
  const { status, body } = await client.complete(id, md5(file));
  expect({ status, ...body }).toMatchObject({ status: 201, size: file.length });
  expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
  expect(await files()).toEqual([]);
  expect(await parts()).toEqual([]);
}

describe('parts of an upload', () => {
  it('one server appends to one part, which becomes the file', async () => {
    expect(await files()).toEqual([expect.stringMatching(new RegExp(`^${id}\\.[0-9a-f]{16}$`))]);
    await finish(1);
  });

  it('another server begins a new part, and nothing is copied', async () => {
    const [first = ''] = await files();
    expectAppended(await send(there, 1), 1);
    expect(await starts()).toEqual([0, 1]);
    expect(await readFile(`${app.config.dataDir}/uploads/${first}`)).toEqual(file.subarray(0, CHUNK));
    await finish(2, there);
  });

  it('two servers can take the chunks in turn', async () => {
    for (const [index, client] of [there, here, there, here].entries())
      expectAppended(await send(client, index + 1), index + 1);
    expect(await starts()).toEqual([0, 1, 2, 3, 4]);
    await completeWith(there);
  });

  it('small ones cannot be begun without end', async () => {
    const more = 1000 + Math.ceil(file.length / 4096);
    await app.sql(
      `INSERT INTO upload_part (upload_id, start, name) SELECT $1, i, $1 || '.' || i FROM generate_series(1, ${more}) i`,
      [id],
    );
    const before = await app.state();
    const { status, body } = await there.slice(file, CHUNK, CHUNK + 4095, id);
    expect([status, body.code, body.min_bytes]).toEqual([400, 'chunks-too-small', 4096]);
    expect(await app.state()).toEqual(before);
    await app.sql(`DELETE FROM upload_part WHERE upload_id = $1 AND start > 0`, [id]);
    await finish(1, there);
  });

  it('a server that believes it stands at the end is judged by the row', async () => {
    expectAppended(await send(there, 1), 1);
    const { status, body } = await send(here, 1, other);
    expect([status, body.code]).toEqual([409, 'chunk-conflict']);
    await finish(2);
  });

  it('retries, gaps and strangers change nothing', async () => {
    const before = await app.state();
    expectReplayed(await send(there, 0), 1);
    expect((await send(there, 2)).status).toBe(409);
    expect((await send(new Client(there.url, await app.token('8')), 1)).status).toBe(404);
    expect(await app.state()).toEqual(before);
  });

  it('a retry does not cost the next chunk a new part', async () => {
    expectAppended(await send(here, 1), 1);
    expect((await send(here, 0)).status).toBe(201);
    expect((await send(here, 4)).status).toBe(409);
    expectAppended(await send(here, 2), 2);
    expect(await starts()).toEqual([0]);
  });

  it('an upload goes on after a restart, and can be cancelled', async () => {
    await app.close();
    app = await TestApp.on(app.database, app.config.dataDir);
    here = await Client.of(app);
    expectAppended(await send(here, 1), 1);
    expect((await here.send('DELETE', `/api/v2/media/upload/${id}/`)).status).toBe(204);
    expect(await files()).toEqual([]);
  });

  it('many small chunks before the content is known share a part', async () => {
    const text = Buffer.from('a'.repeat(300));
    id = (await here.slice(text, 0, 100)).body.upload_id;
    await here.slice(text, 100, 200, id);
    await here.slice(text, 200, 300, id);
    expect(await parts()).toHaveLength(1);
    expect((await here.complete(id, md5(text))).body.mimetype).toBe('text/plain');
  });

  it('reads repeated bytes across parts', async () => {
    expectAppended(await send(there, 1), 1);
    expectAppended(await send(here, 2), 2);
    expectReplayed(await here.slice(file, 10, 3 * CHUNK - 10, id), 3);
    const middle = Buffer.from(file);
    middle[CHUNK + 7]! ^= 1;
    expect((await here.slice(middle, 10, 3 * CHUNK - 10, id)).body.code).toBe('chunk-conflict');
    expect((await here.slice(file, 2 * CHUNK - 10, 4 * CHUNK, id)).body.offset).toBe(String(4 * CHUNK));
    await finish(4);
  });
});

describe('a server that is held between write and commit', () => {
  const heldCommit = () => Hold.on(commits(app), 'commit', 'before');

  beforeEach(async () => {
    // A part of the other server, so that the held one must begin its own.
    expectAppended(await send(there, 1), 1);
  });

  it('loses to one that appended the same bytes, and says that they are there', async () => {
    const hold = heldCommit();
    const late = send(here, 2);
    await hold.reached;
    expectAppended(await send(there, 2), 2);
    hold.release();
    expectReplayed(await late, 3);
    await finish(3, there);
  });

  it('loses to one that appended other bytes, and says so', async () => {
    const hold = heldCommit();
    const late = send(here, 2, other);
    await hold.reached;
    expectAppended(await send(there, 2), 2);
    hold.release();
    expect((await late).body).toMatchObject({ code: 'chunk-conflict', offset: String(3 * CHUNK) });
    await finish(3, there);
  });

  it('throws its part away when another one has completed the upload', async () => {
    const hold = heldCommit();
    const late = send(here, 2);
    await hold.reached;
    for (const index of [2, 3, 4]) expectAppended(await send(there, index), index);
    const { body } = await there.complete(id, md5(file));
    hold.release();
    expectReplayed(await late, 5);
    expect(await files()).toEqual([]);
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it('throws its part away when the upload was cancelled', async () => {
    const hold = heldCommit();
    const late = send(here, 2);
    await hold.reached;
    expect((await there.send('DELETE', `/api/v2/media/upload/${id}/`)).status).toBe(204);
    hold.release();
    expect((await late).status).toBe(410);
    expect(await files()).toEqual([]);
  });

  it('cannot commit a part that has become too old', async () => {
    // As if it had been frozen since long before: by then the sweeper may have removed the part.
    const store = app.app.get(UploadStore);
    const now = new Date(Date.now() - 3_600_000);
    const [find, findByKey] = [store.find.bind(store), store.findByKey.bind(store)];
    Object.assign(store, {
      find: async (...args: Parameters<typeof find>) => ({ ...(await find(...args)), now }),
      findByKey: async (...args: Parameters<typeof findByKey>) => ({ ...(await findByKey(...args)), now }),
    });
    const before = await app.state();
    expect((await send(here, 2)).status).toBe(503);
    const first = await here.slice(file, 0, CHUNK);
    expect(first.status).toBe(503);
    expect(await app.state()).toEqual(before);
  });
});

describe('a commit whose outcome is unknown', () => {
  const lost = new Error('Connection terminated unexpectedly');

  it.each(['before', 'after'] as const)(
    'leaves the part alone, if the connection broke %s it',
    async (place) => {
      expectAppended(await send(there, 1), 1);
      failOnce(commits(app), 'commit', lost, place);
      expect((await send(here, 2)).status).toBe(503);
      expect(await files()).toHaveLength(3);
      const { body } = await there.status(id);
      expect(body.offset).toBe(String(place === 'after' ? 3 * CHUNK : 2 * CHUNK));
      const again = await send(here, 2);
      if (place === 'after') expectReplayed(again, 3);
      else expectAppended(again, 2);
      for (const index of [3, 4]) expectAppended(await send(here, index), index);
      expect((await here.complete(id, md5(file))).status).toBe(201);
      expect(await files()).toHaveLength(place === 'after' ? 0 : 1);
    },
  );

  it.each(['before', 'after'] as const)('of a first chunk leaves the part alone, %s', async (place) => {
    const before = (await files()).length;
    failOnce(app.app.get(Database), 'pipelineTransaction', lost, place);
    const headers = { 'idempotency-key': `lost-${place}` };
    expect((await here.slice(file, 0, CHUNK, undefined, { headers })).status).toBe(503);
    expect(await files()).toHaveLength(before + 1);
    const again = await here.slice(file, 0, CHUNK, undefined, { headers });
    expect(again.headers.get('upload-replayed')).toBe(place === 'after' ? '?1' : null);
  });
});

describe('a write that failed', () => {
  it('is the end of its part: the next chunk begins a new one', async () => {
    failOnce(app.app.get(BlobStorage), 'appendPart', new ServiceUnavailable(), 'after');
    expect((await send(here, 1)).status).toBe(503);
    expectAppended(await send(here, 1), 1);
    expect(await starts()).toEqual([0, 1]);
    await finish(2);
  });
});

describe('a completion', () => {
  beforeEach(async () => {
    for (const index of [1, 2, 3, 4]) await send(index % 2 ? there : here, index);
  });

  it('that is held before its commit loses to another one, and gets its Media', async () => {
    const hold = Hold.on(app.app.get(UploadSessions), 'lock', 'before');
    const late = here.complete(id, md5(file));
    await hold.reached;
    const { status, body } = await there.complete(id, md5(file));
    hold.release();
    expect([status, (await late).status, (await late).body.id]).toEqual([201, 200, body.id]);
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
    expect(await files()).toEqual([]);
  });

  it('notices that fsck has set the upload back meanwhile', async () => {
    const hold = Hold.on(app.app.get(UploadSessions), 'lock', 'before');
    const late = here.complete(id, md5(file));
    await hold.reached;
    await rm(await pathOf(2));
    for await (const { fix } of twin.app.get(Fsck).check()) await fix();
    hold.release();
    expect((await late).status).toBe(503);
    expect(await app.sql(`SELECT 1 FROM media`)).toEqual([]);
    for (const index of [2, 3, 4]) expectAppended(await send(there, index), index);
    expect((await here.complete(id, md5(file))).status).toBe(201);
  });

  it('whose file is so old that it may have been swept does not commit', async () => {
    const store = app.app.get(UploadStore);
    const find = store.find.bind(store);
    const now = new Date(Date.now() - 3_600_000);
    const frozen = async (...args: Parameters<typeof find>) => ({ ...(await find(...args)), now });
    Object.assign(store, { find: frozen });
    expect((await here.complete(id, md5(file))).status).toBe(503);
    expect(await readdir(`${app.config.dataDir}/files`)).toEqual([]);
    expect((await there.complete(id, md5(file))).status).toBe(201);
  });

  it('whose commit is lost can be repeated', async () => {
    failOnce(
      app.app.get(UploadSessions),
      'complete',
      new Error('Connection terminated unexpectedly'),
      'after',
    );
    expect((await here.complete(id, md5(file))).status).toBe(503);
    await completeWith(there);
  });

  it('that is cancelled while others check the file publishes nothing', async () => {
    const hold = Hold.on(app.app.get(Admission), 'admit', 'after');
    const late = here.complete(id, md5(file));
    await hold.reached;
    expect((await there.send('DELETE', `/api/v2/media/upload/${id}/`)).status).toBe(204);
    hold.release();
    expect((await late).status).toBe(410);
    expect(await readdir(`${app.config.dataDir}/files`)).toEqual([]);
  });

  it('that loses to a cancellation leaves no Media', async () => {
    const hold = Hold.on(app.app.get(UploadSessions), 'lock', 'before');
    const late = here.complete(id, md5(file));
    await hold.reached;
    expect((await there.send('DELETE', `/api/v2/media/upload/${id}/`)).status).toBe(204);
    hold.release();
    expect((await late).status).toBe(410);
    expect(await app.sql(`SELECT 1 FROM media`)).toEqual([]);
    expect(await files()).toEqual([]);
    expect(await readdir(`${app.config.dataDir}/files`)).toEqual([]);
  });
});

describe('a chunk that is announced while it is written', () => {
  const row = async () =>
    await app.sql(
      `SELECT "offset"::int / ${CHUNK} AS "offset", part IS NULL AS announced, tail_end::int / ${CHUNK} AS "end"
       FROM upload_session WHERE id = $1`,
      [id],
    );
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

  beforeEach(async () => {
    await send(here, 1);
    await send(here, 2);
  });

  itAnnounces('is confirmed by the next one, in company or alone, and by the last one', async () => {
    expect(await row()).toEqual([{ offset: 2, announced: true, end: 3 }]);
    expectAppended(await send(here, 3), 3);
    expect(await row()).toEqual([{ offset: 3, announced: true, end: 4 }]);
    expectAppended(await send(here, 4), 4);
    expect(await row()).toEqual([{ offset: 5, announced: false, end: null }]);
    expect(await starts()).toEqual([0]);
    await completeWith(here);
  });

  it('costs no new part when the same server tells where the upload stands', async () => {
    for (const index of [3, 4]) {
      expect((await here.status(id)).body.offset).toBe(String(index * CHUNK));
      expect((await here.send('GET', '/api/v2/media/upload/')).body.results[0].offset).toBe(
        String(index * CHUNK),
      );
      expectAppended(await send(here, index), index);
    }
    expect(await starts()).toEqual([0]);
    await completeWith(here);
  });

  it('counts wherever anybody asks', async () => {
    expect(await standings()).toEqual(Array(8).fill(String(3 * CHUNK)));
    await finish(3);
  });

  it('is retried like any other, here and elsewhere', async () => {
    for (const client of [there, here, there]) {
      expectReplayed(await send(client, 2), 3);
      const { body } = await send(client, 2, other);
      expect(body).toMatchObject({ code: 'chunk-conflict', offset: String(3 * CHUNK) });
    }
    await finish(3);
  });

  it('can be followed by a chunk to another server', async () => {
    expectAppended(await send(there, 3), 3);
    await finish(4);
  });

  it('outlives a restart of both servers', async () => {
    await app.close();
    app = await TestApp.on(app.database, app.config.dataDir);
    here = await Client.of(app);
    expect((await here.status(id)).body.offset).toBe(String(3 * CHUNK));
    await finish(3);
  });

  describe.each([
    ['never came to the disk', async () => truncate(await pathOf(0), 2 * CHUNK)],
    ['came there in part', async () => overwrite(await pathOf(0), 3 * CHUNK - 1)],
  ])('and %s', (_, damage) => {
    itAnnounces.each([
      ['the one that announced it', () => here],
      ['another one', () => there],
    ])('does not count, and is sent again to %s', async (_, which) => {
      // A server that has acknowledged the chunk knows that it is there; one that comes after it has to look.
      await damage();
      await app.close();
      app = await TestApp.on(app.database, app.config.dataDir);
      [here, there] = [await Client.of(app), await Client.of(await app.twin())];
      expect(await standings()).toEqual(Array(8).fill(String(2 * CHUNK)));
      expect((await send(there, 3)).body).toMatchObject({
        code: 'mismatching-upload-offset',
        offset: String(2 * CHUNK),
      });
      expectAppended(await send(which(), 2), 2);
      await finish(3);
    });
  });

  itAnnounces('is not acknowledged by a writer that was fenced off before it looked', async () => {
    const hold = Hold.on(app.app.get(BlobStorage), 'appendPart', 'before');
    const late = send(here, 3, other);
    await hold.reached;
    // The row says that bytes are coming, and they are not there yet.
    await until3();
    expectAppended(await send(there, 3), 3);
    hold.release();
    expect((await late).body).toMatchObject({ code: 'chunk-conflict', offset: String(4 * CHUNK) });
    await finish(4, there);
  });

  itAnnounces(
    'goes on in a part that an adopter has fenced in vain, which others may still read',
    async () => {
      const copy = Hold.on(twin.app.get(BlobStorage), 'createPart', 'before');
      const adopter = there.status(id);
      await copy.reached;
      expectAppended(await send(here, 3), 3);
      copy.release();
      expect((await adopter).body.offset).toBe(String(4 * CHUNK));
      await finish(4);
      const [{ key } = { key: '' }] = await app.sql<{ key: string }>(`SELECT key FROM media`);
      expect((await stat(`${app.config.dataDir}/files/${key}`)).mode & 0o070).toBe(0o040);
    },
  );

  itAnnounces('is taken back when its bytes cannot be written', async () => {
    failOnce(app.app.get(BlobStorage), 'appendPart', new ServiceUnavailable(), 'before');
    expect((await send(here, 3)).status).toBe(503);
    expect((await there.status(id)).body.offset).toBe(String(3 * CHUNK));
    await finish(3);
  });

  async function until3(): Promise<void> {
    await until(row, ([now]) => (now as { offset: number }).offset === 3);
  }
});

/** As if the byte there had never been written. */
async function overwrite(path: string, position: number): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(Buffer.of(0), 0, 1, position);
  await handle.close();
}
