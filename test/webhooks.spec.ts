import { jest } from '@jest/globals';
import { createHmac } from 'node:crypto';
import pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { DataSource } from 'typeorm';
import { Audit } from '../src/audit/audit.js';
import { Database } from '../src/database/database.js';
import { Webhooks } from '../src/events/webhooks.js';
import { pair } from '../src/media/upkeep/pairing.js';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { deliveredEvents } from '../src/metrics/metrics.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client, md5 } from './setup/client.js';
import { seen } from './setup/hold.js';
import { Receiver } from './setup/receiver.js';
import { runCommand, type Ended } from './setup/run-command.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { testServer, urlOf } from './setup/test-server.js';
import { until } from './setup/until.js';

const SECRET = `whsec_${Buffer.from('a secret of webhooks, 32 bytes..').toString('base64')}`;
const OLD_SECRET = 'an older secret in plain letters';

let receiver: Receiver;
let app: TestApp;
let client: Client;

async function start(settings: Record<string, string> = {}): Promise<void> {
  receiver = await Receiver.start();
  app = await TestApp.start({
    WEBHOOK_URL: receiver.url,
    WEBHOOK_SECRET: SECRET,
    WEBHOOK_ALLOW_PRIVATE: 'true',
    ...settings,
  });
  client = await Client.of(app);
}

/** Starts the server, then once more with another receiver beside the first. Returns that one, which has to be stopped. */
async function startWithSecond(): Promise<Receiver> {
  const second = await Receiver.start();
  await start();
  await app.close();
  app = await TestApp.on(app.database, app.config.dataDir, {
    WEBHOOK_URL: `${receiver.url},${second.url}`,
    WEBHOOK_SECRET: SECRET,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  });
  client = await Client.of(app);
  return second;
}

afterEach(async () => {
  await app.stop();
  await receiver.stop();
});

const file = pdf(3000);
const first = async () => (await client.slice(file, 0, 1000)).body.upload_id as string;
const finish = async (bytes: Buffer) => {
  const upload = await client.upload(bytes, { fileName: 'a.pdf' });
  return { upload, media: (await client.complete(upload, md5(bytes))).body };
};
const recorded = () => app.sql(`SELECT type FROM event ORDER BY position`);
const deliveries = () =>
  app.sql<{ type: string; attempts: number; wait: number | null; error: string | null; failed: boolean }>(
    `SELECT type, attempts, extract(epoch FROM due - now())::float8 AS wait, error, failed_at IS NOT NULL AS failed
     FROM delivery JOIN event ON event = position ORDER BY event`,
  );
/** Lets the time of the next attempts come. */
const retry = () =>
  app.sql(
    `WITH due AS (UPDATE delivery SET due = now() WHERE due IS NOT NULL),
       jobs AS (UPDATE mediadock_jobs._private_jobs SET run_at = now() WHERE locked_at IS NULL)
     SELECT pg_notify('jobs:insert', '{"count":1}')`,
  );

it('all events that were delivered a week ago are removed, however many', async () => {
  await start();
  await app.sql(
    `INSERT INTO event (type, upload_id, owner_id, created_at, subject)
     SELECT 'upload.created', '', '', now() - n * interval '1 day', '{}' FROM (SELECT 6 + n % 2 * 2 FROM generate_series(1, 5000) AS n) AS age (n)`,
  );
  await app.app.get(Webhooks)['keepUp']();
  expect(await app.sql(`SELECT count(*)::integer FROM event WHERE upload_id = ''`)).toEqual([
    { count: 2500 },
  ]);
});

describe('an event', () => {
  it('tells of an upload from its first chunk to the end of its media, in order', async () => {
    await start();
    const image = await jpeg(60, 40);
    const { upload, media } = await finish(image);
    const [, , ready] = await receiver.events(3);
    await client.send('DELETE', `/api/v2/media/${media.id}/`);
    const events = await receiver.events(4);
    expect(events.map(({ type }) => type)).toEqual([
      'upload.created',
      'media.created',
      'media.thumbnail_ready',
      'media.deleted',
    ]);
    const origin = `http://localhost:${app.config.port}`;
    const there = JSON.parse(JSON.stringify(media).replaceAll(app.url, origin));
    expect(events[0]).toEqual({
      id: expect.stringMatching(/^evt_[0-9a-f]{32}$/),
      type: 'upload.created',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      data: {
        user: '7',
        upload_id: upload,
        upload: expect.objectContaining({
          upload_id: upload,
          total: String(image.length),
          state: 'open',
          title: 'a.pdf',
        }),
      },
    });
    expect(events[1]!.data).toEqual({ user: '7', upload_id: upload, media: there });
    expect(ready!.data.media.image_thumbnail).toMatchObject({ width: 60, height: 40 });
    expect(events[3]!.data.media).toEqual(ready!.data.media);
    expect(new Set(events.map(({ id }) => id)).size).toBe(4);
  });

  it('tells how uploads end that become no media', async () => {
    await start();
    await client.send('DELETE', `/api/v2/media/upload/${await first()}/`);
    await first();
    await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second' WHERE state = 'open'`);
    await app.app.get(Sweeper).sweep();
    const image = await jpeg(400, 300);
    const broken = image.subarray(0, image.length - 20);
    await client.complete(await client.upload(broken), md5(broken));
    const events = await receiver.events(6);
    const ended = events.filter(({ type }) => type !== 'upload.created');
    expect(ended.map(({ type }) => type).sort()).toEqual([
      'upload.cancelled',
      'upload.expired',
      'upload.rejected',
    ]);
    const rejected = ended.find(({ type }) => type === 'upload.rejected');
    expect(rejected!.data.upload).toMatchObject({
      state: 'rejected',
      rejection: { code: 'unreadable-image' },
    });
  });

  it('is not recorded without a receiver, nor of a first chunk that is refused', async () => {
    await start({ WEBHOOK_URL: '' });
    await finish(file);
    expect([await recorded(), await app.sql(`SELECT * FROM delivery`)]).toEqual([[], []]);
    await app.stop();
    await receiver.stop();
    await start({ USER_MAX_OPEN_UPLOADS: '1' });
    const page = Buffer.from('<html><script>alert(1)</script></html>');
    await client.slice(page, 0, page.length);
    await first();
    await client.slice(file, 0, 1000);
    expect(await recorded()).toEqual([{ type: 'upload.created' }]);
  });

  it('goes to each of several URLs', async () => {
    const second = await startWithSecond();
    await first();
    const [[one], [other]] = [await receiver.events(1), await second.events(1)];
    expect(one).toEqual(other);
    await second.stop();
  });
});

describe('a signature', () => {
  const bodyOf = async () => {
    await first();
    await receiver.events(1);
    return receiver.requests[0]!;
  };

  it('is that of SelfCommunity: t, v1 and, while a secret is rotated, v0', async () => {
    await start({ WEBHOOK_SECRET: `${SECRET},${OLD_SECRET}` });
    const { headers, body } = await bodyOf();
    const [, t, v1, v0] = /^t=(\d+),v1=([0-9a-f]{64}),v0=([0-9a-f]{64})$/.exec(
      headers['selfcommunity-signature'] as string,
    )!;
    const signed = (secret: string) => createHmac('sha256', secret).update(`${t}.${body}`).digest('hex');
    expect([v1, v0]).toEqual([signed(SECRET), signed(OLD_SECRET)]);
    expect(Math.abs(Number(t) - Date.now() / 1000)).toBeLessThan(60);
  });

  it('is one that the library of Standard Webhooks takes, with either secret', async () => {
    await start({ WEBHOOK_SECRET: `${SECRET},${OLD_SECRET}` });
    const { headers, body } = await bodyOf();
    const given = headers as Record<string, string>;
    const { id } = new Webhook(SECRET).verify(body, given) as { id: string };
    expect(id).toBe(headers['webhook-id']);
    new Webhook(OLD_SECRET, { format: 'raw' }).verify(body, given);
    expect(() => new Webhook(SECRET).verify(`${body} `, given)).toThrow();
  });
});

describe('a delivery', () => {
  it('that fails is tried again for three days, then kept as failed; the next one follows', async () => {
    await start();
    const hours = (count: number) => count * 3600;
    const delays = [5, 25, 125, 625, 3125, ...[3, 6, 12, 24, 24].map(hours)];
    receiver.answer = () => ({ status: 500, body: 'out of order' });
    const id = await first();
    const waits: number[] = [];
    for (let attempt = 1; attempt <= delays.length; attempt++) {
      const [one] = await until(deliveries, ([one]) => one!.attempts === attempt);
      expect(one).toMatchObject({ error: '500 out of order', failed: false });
      waits.push(Math.round(one!.wait!));
      if (attempt === 1) await client.send('DELETE', `/api/v2/media/upload/${id}/`);
      await retry();
    }
    expect(waits).toEqual(delays);
    const [one] = await until(deliveries, ([one]) => one!.failed);
    expect(one).toMatchObject({ attempts: 11, wait: null });
    await until(deliveries, ([, two]) => two!.attempts === 1);
    expect(receiver.received.map(({ type }) => type)).toEqual([
      ...Array.from({ length: 11 }, () => 'upload.created'),
      'upload.cancelled',
    ]);
    expect(new Set(receiver.received.slice(0, 11).map(({ id }) => id)).size).toBe(1);
  });

  it.each([
    ['control characters', 'out\0of\u001b[31m\r\norder', '500 out of [31m order'],
    [
      'half an emoji at the end of what is kept',
      `${'x'.repeat(195)}\u{1f600}`,
      `500 ${'x'.repeat(195)}\u{1f600}`,
    ],
    ['bytes that are no text', Buffer.from([0xed, 0xa0, 0x80, 0xff]), '500 \ufffd\ufffd\ufffd\ufffd'],
    ['more than is kept', 'y'.repeat(100_000), `500 ${'y'.repeat(196)}`],
  ])('that fails with %s is tried again like any other', async (_, body, error) => {
    await start();
    receiver.answer = () => ({ status: 500, body });
    await first();
    expect(await until(deliveries, ([one]) => one!.attempts === 1)).toMatchObject([{ error }]);
  });

  it('holds back the later events of its upload, and of no other', async () => {
    await start();
    const failing = await first();
    await receiver.events(1);
    receiver.answer = ({ data }) => ({ status: data.upload_id === failing ? 503 : 200 });
    await client.send('DELETE', `/api/v2/media/upload/${failing}/`);
    await until(deliveries, (all) => all[1]?.attempts === 1);
    const other = await first();
    await until(deliveries, (all) => all[2]?.wait === null);
    receiver.answer = () => ({ status: 200 });
    await retry();
    await until(deliveries, (all) => all.every(({ wait }) => wait === null));
    expect(receiver.received.filter(({ data }) => data.upload_id === other)).toHaveLength(1);
  });

  it.each([101, 301, 302, 307, 308, 304, 404])(
    'is not counted when the answer is %i, and no redirect followed',
    async (status) => {
      await start();
      const headers = { location: `${receiver.url}elsewhere`, connection: 'upgrade', upgrade: 'another' };
      receiver.answer = () => ({ status, headers });
      await first();
      await until(deliveries, ([one]) => one!.attempts === 1);
      expect(receiver.requests.map(({ path }) => path)).toEqual(['/hook']);
    },
  );

  it('to a receiver that is gone comes when it is back', async () => {
    await start();
    await receiver.stop();
    await finish(file);
    await until(deliveries, ([one]) => one!.attempts === 1);
    await receiver.restart();
    await retry();
    expect((await receiver.events(2)).map(({ type }) => type)).toEqual(['upload.created', 'media.created']);
  });

  it('that a crash cuts short comes again, from another server, with the same id', async () => {
    await start();
    const held = receiver.hold();
    await first();
    await held.reached;
    await app.sql(
      `WITH queues AS (UPDATE mediadock_jobs._private_job_queues SET locked_by = 'pool-killed' WHERE locked_by IS NOT NULL)
       UPDATE mediadock_jobs._private_jobs SET locked_by = 'pool-killed', locked_at = now() - interval '6 seconds'`,
    );
    await app.twin();
    const [one, two] = await receiver.events(2);
    expect(two).toEqual(one);
    held.release();
  });

  it('comes after the database failed when two ended at once, and when workers looked for the next', async () => {
    const second = await startWithSecond();
    const deliveries = [receiver, second].map((each) => each.hold());
    await first();
    await Promise.all(deliveries.map(({ reached }) => reached));
    const locker = new pg.Client({ ...testServer().connection, database: app.database });
    await locker.connect();
    await locker.query(`SELECT pg_advisory_lock(1)`);
    await locker.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RAISE 'failure'; END $$`);
    await locker.query(
      `CREATE TRIGGER fail BEFORE DELETE ON mediadock_jobs._private_jobs FOR EACH ROW EXECUTE FUNCTION fail()`,
    );
    const waiting = () => locker.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`);
    for (const [i, { release }] of deliveries.entries()) {
      release();
      await until(waiting, ({ rowCount }) => rowCount === i + 1);
    }
    await locker.end();
    await app.sql(`DROP TRIGGER fail ON mediadock_jobs._private_jobs`);
    await new Promise<void>((resolve) => {
      jest.spyOn(app.app.get(Database), 'borrow').mockImplementationOnce(() => {
        resolve();
        return Promise.reject(new Error('The database is away'));
      });
    });
    await first();
    await Promise.all([receiver.events(2), second.events(2)]);
    await second.stop();
  });

  it('is not made to private addresses, by whatever name, unless that is allowed', async () => {
    const target = await Receiver.start();
    const { port } = new URL(target.url);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0']) {
      await start({ WEBHOOK_ALLOW_PRIVATE: 'false', WEBHOOK_URL: `http://${host}:${port}/hook` });
      await first();
      const [one] = await until(deliveries, ([one]) => one!.attempts === 1);
      expect(one!.error).toMatch(/private network/);
      expect(target.requests).toEqual([]);
      await app.stop();
      await receiver.stop();
    }
    await target.stop();
    await start();
  });
});

describe('a receiver that says nothing', () => {
  it('has ten seconds, holds up no upload and no other receiver', async () => {
    const second = await startWithSecond();
    const held = receiver.hold();
    for (let i = 0; i < 20; i++) await finish(file);
    expect(await second.events(40)).toHaveLength(40);
    const failed = (await until(deliveries, (all) => all.some(({ error }) => error))).filter(
      ({ error }) => error,
    );
    expect(failed[0]).toMatchObject({ attempts: 1, error: 'no answer in 10 s' });
    held.release();
    await second.stop();
  });
});

describe('what an operator sees', () => {
  async function webhooks(...args: string[]): Promise<Ended> {
    await pair(app.app.get(DataSource), app.app.get(BlobStorage));
    const settings = {
      DATA_DIR: app.config.dataDir,
      DATABASE_URL: urlOf(app.database),
      WEBHOOK_URL: `${receiver.url}?token=hidden`,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_ALLOW_PRIVATE: 'true',
    };
    return await runCommand(settings, 'webhooks', ...args);
  }

  /** Restarts the server, with a URL that must not be shown. */
  async function addSecretToUrl(): Promise<void> {
    await app.close();
    app = await TestApp.on(app.database, app.config.dataDir, {
      WEBHOOK_URL: `${receiver.url}?token=hidden`,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_ALLOW_PRIVATE: 'true',
    });
    client = await Client.of(app);
    await pair(app.app.get(DataSource), app.app.get(BlobStorage));
  }

  it('are the events with what became of them, each to be shown and sent again', async () => {
    await start();
    await addSecretToUrl();
    receiver.answer = () => ({ status: 418, body: 'a teapot' });
    const upload = await first();
    const [event] = await receiver.events(1);
    await until(deliveries, ([one]) => one!.attempts === 1);
    const list = await webhooks('list');
    expect(list.printed).toMatch(
      new RegExp(
        `^\\S+Z  ${event!.id}  upload.created  waiting  attempts: \\d  ${receiver.url}  418 a teapot\n$`,
      ),
    );
    const shown = await webhooks('show', event!.id);
    expect(JSON.parse(shown.printed.split('\n').slice(0, -2).join('\n'))).toEqual(event);
    receiver.answer = () => ({ status: 200 });
    expect((await webhooks('resend', event!.id)).code).toBe(0);
    expect((await receiver.events(2))[1]).toEqual(event);
    await until(deliveries, ([one]) => one!.wait === null);
    expect((await webhooks('list', '--limit', '1')).printed).toMatch(/ {2}delivered {2}attempts: \d {2}/);
    expect(event!.data.upload_id).toBe(upload);
    expect(`${list.printed}${shown.printed}`).not.toContain('hidden');
  });

  it('are the events that failed, which all can be sent again at once, in order', async () => {
    await start({ WEBHOOK_URL: '' });
    await addSecretToUrl();
    await first();
    await receiver.events(1);
    receiver.answer = () => ({ status: 503 });
    const uploads = [await first(), await first()];
    for (const id of uploads) await client.send('DELETE', `/api/v2/media/upload/${id}/`);
    await until(deliveries, (all) => all.filter(({ error }) => error).length === 2);
    // The server itself would retry after 5 s.
    await app.sql(`UPDATE delivery SET due = now() + interval '1 hour' WHERE error IS NOT NULL`);
    await app.sql(
      `UPDATE delivery SET due = NULL, failed_at = now(), error = '503' WHERE event = (SELECT max(event) FROM delivery)`,
    );
    await app.sql(`UPDATE event SET created_at = '2026-11-01' WHERE position <= 2`);
    const failed = (await webhooks('list', '--failed')).printed.trim().split('\n');
    expect(failed.map((line) => line.split('  ').slice(2, 4).join(' '))).toEqual([
      'upload.cancelled failed',
      'upload.created waiting',
      'upload.created waiting',
    ]);
    expect((await webhooks('list', '--failed', '--limit', '1')).printed).toBe(`${failed[0]}\n`);
    expect((await webhooks('list', '--failed', '--since', '2026-11-02')).printed).not.toContain(failed[2]);
    receiver.answer = () => ({ status: 204 });
    receiver.requests.length = 0;
    expect(await webhooks('resend', '--failed', '--since', '2026-11-02T00:00Z')).toEqual({
      code: 0,
      printed: 'The server will send 2 events again\n',
    });
    await receiver.events(2);
    expect((await webhooks('resend', '--failed')).printed).toBe('The server will send 1 event again\n');
    await until(deliveries, (all) => all.every(({ wait }) => wait === null));
    for (const id of uploads)
      expect(receiver.received.filter(({ data }) => data.upload_id === id).map(({ type }) => type)).toEqual([
        'upload.created',
        'upload.cancelled',
      ]);
    expect((await webhooks('list', '--failed')).printed).toBe('There are no failed events\n');
    expect((await webhooks('resend', '--failed')).printed).toBe('There are no failed events\n');
  });

  it('are failed events by the thousands, sent again while the receiver is still down', async () => {
    await start();
    receiver.answer = () => ({ status: 503 });
    await app.sql(
      `WITH failed AS (INSERT INTO event (type, upload_id, owner_id, subject)
         SELECT 'webhook.test', md5(i::text), '7', '{}' FROM generate_series(1, 1500) i RETURNING position, upload_id)
       INSERT INTO delivery (event, webhook, upload_id, due, failed_at, attempts, error)
         SELECT position, id, upload_id, NULL, now(), 11, '503' FROM failed, webhook`,
    );
    await app.sql(
      `INSERT INTO delivery (event, webhook, upload_id, due, failed_at, attempts, error)
         SELECT position, '0123456789abcdef', upload_id, NULL, now(), 11, 'of a URL that is gone' FROM event`,
    );
    expect((await webhooks('resend', '--failed')).printed).toBe('The server will send 1500 events again\n');
    expect(await app.sql(`SELECT count(*)::integer FROM delivery WHERE failed_at IS NOT NULL`)).toEqual([
      { count: 1500 },
    ]);
  });

  it('is whether a receiver takes a test event', async () => {
    await start();
    expect(await webhooks('test')).toEqual({ code: 0, printed: `${receiver.url}: delivered\n` });
    expect(receiver.received[0]).toMatchObject({ type: 'webhook.test', data: {} });
    receiver.answer = () => ({ status: 401, body: 'who are you?' });
    expect(await webhooks('test')).toEqual({ code: 1, printed: `${receiver.url}: 401 who are you?\n` });
  });

  it('is how to ask, and that there is no such event', async () => {
    await start();
    for (const args of [
      [],
      ['constructor'],
      ['show'],
      ['list', 'x'],
      ['resend', 'a', 'b'],
      ['list', '--limit', '0'],
      ['show', 'evt_x', '--limit', '1'],
      ['resend', '--failed', '--limit', '1'],
      ['test', '--limit', '1'],
      ['list', '--since', '2026-11-28'],
      ['resend', '--failed', '--since', '2026-13-01'],
      ['resend', '--failed', '--since', '2026-02-30'],
    ])
      expect(await webhooks(...args)).toEqual({
        code: 1,
        printed: expect.stringMatching(/^Usage: npm run webhooks/),
      });
    expect((await webhooks('list', '--all')).printed).toMatch(/^Unknown option '--all'[^]*\n\nUsage: /);
    expect(await webhooks('show', 'evt_x')).toEqual({ code: 1, printed: 'There is no event evt_x\n' });
  });

  it('is a line in the audit trail for each delivery, and numbers', async () => {
    await start();
    const audited = seen(app.app.get(Audit), 'record', (event: string, by: object, facts: object) => ({
      event,
      by,
      ...facts,
    }));
    await first();
    const [event] = await receiver.events(1);
    await until(deliveries, ([one]) => one!.wait === null);
    await until(
      () => Promise.resolve(audited),
      ({ length }) => length === 2,
    );
    expect(audited[1]).toEqual({
      event: 'webhook.delivered',
      by: { id: '7' },
      delivered: event!.id,
      type: 'upload.created',
      webhook: app.config.webhooks.receivers[0]!.id,
      attempts: 1,
    });
    const [{ value } = { value: 0 }] = (await deliveredEvents.get()).values;
    expect(value).toBeGreaterThan(0);
  });
});
