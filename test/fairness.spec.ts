import pg from 'pg';
import { UploadStore } from '../src/media/uploads/sessions/upload-store.js';
import { Client, type Answer } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { testServer } from './setup/test-server.js';
import { until } from './setup/until.js';

let app: TestApp;
let greedy: Client;
let other: Client;

beforeEach(async () => {
  app = await TestApp.start();
  greedy = await Client.of(app, 'greedy');
  other = await Client.of(app, 'other');
});
afterEach(() => app.stop());

const MEDIA = '/api/v2/media/';

/** So many Media of a user, each with a description of 5,000 characters. */
async function addMedia(ownerId: string, count: number): Promise<void> {
  // Filling it takes longer than searching without it.
  await app.sql('DROP INDEX media_search');
  await app.sql(
    `INSERT INTO media (upload_id, owner_id, key, type, title, description, mime, size, md5, sha256)
     SELECT md5('u' || i), $1, md5('k' || i), 'doc', 'Number ' || i, left(repeat(md5(i::text), 157), 5000),
            'application/pdf', 1, '', ''
     FROM generate_series(1, $2::integer) i`,
    [ownerId, count],
  );
}

/** Queries that wait for a lock. */
const waiting = async () =>
  (
    await app.sql(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    )
  ).length;

/** Keeps queries of Media waiting until it is ended: all of them, or in SHARE mode those that change any. */
async function lockMedia(mode = 'ACCESS EXCLUSIVE'): Promise<pg.Client> {
  const lock = new pg.Client({ ...testServer().connection, database: app.database });
  // It goes with the database when a test fails.
  lock.on('error', () => undefined);
  await lock.connect();
  await lock.query('BEGIN');
  await lock.query(`LOCK TABLE media IN ${mode} MODE`);
  return lock;
}

describe('the searches of one user', () => {
  it('leave the database to others, however long they take', async () => {
    const file = pdf(2000);
    const { upload_id: id } = (await other.slice(file, 0, 1000)).body;
    const lock = await lockMedia();
    const paths = [`${MEDIA}?search=x`, MEDIA, '/api/v2/media/upload/'];
    const searches = Promise.all(Array.from({ length: 30 }, (_, i) => greedy.send('GET', paths[i % 3]!)));
    await until(waiting, (count) => count > 0);
    const { status } = await other.slice(file, 1000, 2000, id);
    expect([status, await waiting()]).toEqual([201, 1]);
    await lock.end();
    expect((await searches).filter((answer) => answer.status !== 200)).toEqual([]);
  });

  it('that wait in line are bounded', async () => {
    const lock = await lockMedia();
    const answers: Answer[] = [];
    const searches = Array.from({ length: 150 }, async () =>
      answers.push(await greedy.send('GET', `${MEDIA}?search=none`)),
    );
    // One is under way, a hundred wait.
    await until(
      () => Promise.resolve(answers.length),
      (count) => count >= 49,
    );
    await lock.end();
    for (const { status, body, headers } of answers.slice(0, 49))
      expect([status, body.code, body.action, headers.get('retry-after')]).toEqual([
        429,
        'too-many-requests',
        'wait',
        '1',
      ]);
    await Promise.all(searches);
    expect(answers.slice(49).map(({ status }) => status)).toEqual(Array(101).fill(200));
  });

  it('that take too long are refused for what they are', async () => {
    const lock = await lockMedia();
    const { status, body } = await greedy.send('GET', `${MEDIA}?search=x`);
    await lock.end();
    expect([status, body.code, body.action]).toEqual([400, 'search-too-slow', 'fix-request']);
  });

  it('of 5,000 long descriptions are quick enough, twenty at once too', async () => {
    await addMedia('greedy', 5000);
    const ask = (search: string) => greedy.send('GET', `${MEDIA}?limit=1&search=${search}`);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`Number 12${i}`)));
    expect(answers.map(({ status, body }) => [status, body.count > 0])).toEqual(
      answers.map(() => [200, true]),
    );
    // Found everywhere, and too short for an index.
    expect((await ask('r')).body.count).toBe(5000);
  });

  it('are found through an index where Postgres has trigrams', async () => {
    const indexes = await app.sql<{ indexdef: string }>(
      `SELECT indexdef FROM pg_indexes WHERE indexname = 'media_search'`,
    );
    expect(indexes[0]?.indexdef).toMatch(/gin_trgm_ops/);
  });
});

describe('clicks', () => {
  it('of many at once take one connection, and all count', async () => {
    await addMedia('greedy', 3);
    const ids = (await app.sql<{ id: number }>('SELECT id FROM media')).map(({ id }) => id);
    const lock = await lockMedia('SHARE');
    const click = (client: Client, id: number) => client.send('POST', `${MEDIA}${id}/click/`);
    const clicks = Array.from({ length: 60 }, (_, i) => click(i % 2 ? greedy : other, ids[i % 3]!));
    const nobody = click(greedy, 2_000_000_000);
    await until(waiting, (count) => count > 0);
    const file = pdf(1000);
    expect([(await other.slice(file, 0, 1000)).status, await waiting()]).toEqual([201, 1]);
    await lock.end();
    const answers = await Promise.all([...clicks, nobody]);
    expect(answers.filter(({ status }) => status !== 204)).toEqual([]);
    expect(await app.sql(`SELECT clicks FROM media`)).toEqual(Array(3).fill({ clicks: '20' }));
    expect(await app.sql(`SELECT user_id, sum(clicks) FROM media_click GROUP BY 1 ORDER BY 1`)).toEqual([
      { user_id: 'greedy', sum: '30' },
      { user_id: 'other', sum: '30' },
    ]);
  });
});

describe('a page of a list', () => {
  it('past the end is empty and knows how many there are', async () => {
    await addMedia('greedy', 5);
    const { body } = await greedy.send('GET', `${MEDIA}?offset=10&search=number`);
    expect(body).toMatchObject({ count: 5, results: [], next: null });
  });
});

describe('the chunks of one user', () => {
  it('hold half of the memory for chunks at most, however many wait for their turn', async () => {
    const file = pdf(40_000);
    const small = await TestApp.start({ MAX_CHUNKS_IN_MEMORY: '8' });
    const [hasty, patient] = [await Client.of(small, 'hasty'), await Client.of(small, 'patient')];
    const { upload_id: id } = (await hasty.slice(file, 0, 20_000)).body;
    const append = Hold.on(small.app.get(UploadStore), 'append', 'before');
    const refused: Answer[] = [];
    const answers = Array.from({ length: 7 }, async () => {
      const answer = await hasty.slice(file, 20_000, 40_000, id);
      if (answer.status === 429) refused.push(answer);
      return answer.status;
    });
    await until(
      () => Promise.resolve(refused),
      ({ length }) => length === 3,
    );
    expect(refused[0]!.body).toMatchObject({ code: 'too-many-requests', action: 'wait' });
    expect((await patient.slice(file, 0, 20_000)).status).toBe(201);
    append.release();
    expect((await Promise.all(answers)).sort()).toEqual([201, 201, 201, 201, 429, 429, 429]);
    await small.stop();
  });
});
