import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { Client, md5 } from './setup/client.js';
import { Receiver } from './setup/receiver.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
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
    const second = await Receiver.start();
    await start();
    await app.close();
    app = await TestApp.on(app.database, app.config.dataDir, {
      WEBHOOK_URL: `${receiver.url},${second.url}`,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_ALLOW_PRIVATE: 'true',
    });
    client = await Client.of(app);
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
  it('that fails is tried again after 5, 25, 125, 625 and 3,125 s, then kept as failed; the next one follows', async () => {
    await start();
    receiver.answer = () => ({ status: 500, body: 'out of order' });
    const id = await first();
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 5; attempt++) {
      const [one] = await until(deliveries, ([one]) => one!.attempts === attempt);
      expect(one).toMatchObject({ error: '500 out of order', failed: false });
      waits.push(Math.round(one!.wait!));
      if (attempt === 1) await client.send('DELETE', `/api/v2/media/upload/${id}/`);
      await retry();
    }
    expect(waits).toEqual([5, 25, 125, 625, 3125]);
    const [one] = await until(deliveries, ([one]) => one!.failed);
    expect(one).toMatchObject({ attempts: 6, wait: null });
    await until(deliveries, ([, two]) => two!.attempts === 1);
    expect(receiver.received.map(({ type }) => type)).toEqual([
      ...Array.from({ length: 6 }, () => 'upload.created'),
      'upload.cancelled',
    ]);
    expect(new Set(receiver.received.slice(0, 6).map(({ id }) => id)).size).toBe(1);
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

  it.each([301, 302, 307, 308, 304, 404])(
    'is not counted when the answer is %i, and no redirect followed',
    async (status) => {
      await start();
      receiver.answer = () => ({ status, headers: { location: `${receiver.url}elsewhere` } });
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

  it('is not made to private addresses, by whatever name, unless that is allowed', async () => {
    const { port } = new URL((receiver = await Receiver.start()).url);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0']) {
      await start({ WEBHOOK_ALLOW_PRIVATE: 'false', WEBHOOK_URL: `http://${host}:${port}/hook` });
      await first();
      const [one] = await until(deliveries, ([one]) => one!.attempts === 1);
      expect(one!.error).toMatch(/private network/);
      expect(receiver.received).toEqual([]);
      await app.stop();
      await receiver.stop();
    }
    await start();
  });
});
