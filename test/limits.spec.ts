import { rename } from 'node:fs/promises';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { photo } from './setup/images.js';
import { noise, pdf } from './setup/samples.js';
import { Client, md5, type Answer } from './setup/client.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const file = pdf(10_000);
const SMALL = { IMAGE_MAX_BYTES: '10000', DOCUMENT_MAX_BYTES: '10000' };

let app: TestApp;
let users = 0;
afterEach(async () => {
  await app.stop();
});

async function start(settings: Record<string, string>): Promise<Client> {
  app = await TestApp.start(settings);
  return await user();
}

const user = () => Client.of(app, `user ${++users}`);
const first = (client: Client, bytes = file) => client.slice(bytes, 0, 5000);
const told = ({ status, body, headers }: Answer) => [
  status,
  body.code,
  body.action,
  headers.get('retry-after'),
];
const opened = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 201).length;

/** Every way in which an open upload ends. */
const ENDS: [string, (client: Client, id: string) => Promise<unknown>][] = [
  [
    'completion',
    async (client, id) => [await client.slice(file, 5000, 10_000, id), await client.complete(id, md5(file))],
  ],
  ['cancellation', (client, id) => client.send('DELETE', `/api/v2/media/upload/${id}/`)],
  [
    'expiry, before any sweep',
    (_, id) => app.sql(`UPDATE upload_session SET expires_at = now() WHERE id = $1`, [id]),
  ],
  [
    'rejection',
    async (client, id) => {
      // The first chunk looked like a Word file; the whole is none.
      const rest = noise(5000);
      await client.chunk(rest, { uploadId: id, range: '5000-9999/10000' });
      const { status } = await client.complete(id, md5(Buffer.concat([office.subarray(0, 5000), rest])));
      expect(status).toBe(415);
    },
  ],
];
const office = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), noise(9992)]);
const opener = (end: string) => (end === 'rejection' ? office : file);

describe('open uploads of one user', () => {
  it.each(ENDS)('are limited, and make room by %s', async (end, finish) => {
    const client = await start({ USER_MAX_OPEN_UPLOADS: '2' });
    const id = (await first(client, opener(end))).body.upload_id as string;
    expect((await first(client)).status).toBe(201);
    const before = await app.state();
    expect(told(await first(client))).toEqual([429, 'too-many-uploads', 'wait', '30']);
    expect(await app.state()).toEqual(before);
    await finish(client, id);
    expect((await first(client)).status).toBe(201);
    expect((await first(client)).status).toBe(429);
  });

  it('are limited when all come at once, over two servers too, and other users are not', async () => {
    const client = await start({ USER_MAX_OPEN_UPLOADS: '5' });
    const twin = await app.twin({ USER_MAX_OPEN_UPLOADS: '5' });
    const clients = [client, new Client(twin.url, client.token)];
    const another = await user();
    const [mine, others] = await Promise.all([
      Promise.all(Array.from({ length: 50 }, (_, i) => first(clients[i % 2]!))),
      Promise.all(Array.from({ length: 5 }, () => first(another))),
    ]);
    expect([opened(mine), opened(others)]).toEqual([5, 5]);
    expect(mine.filter(({ status }) => status === 429)).toHaveLength(45);
    expect(await app.sql(`SELECT 1 FROM upload_session`)).toHaveLength(10);
  });

  it('that could not be stored do not count', async () => {
    const client = await start({ USER_MAX_OPEN_UPLOADS: '1' });
    const uploads = `${app.config.dataDir}/uploads`;
    await rename(uploads, `${uploads}.away`);
    expect((await first(client)).status).toBe(503);
    await rename(`${uploads}.away`, uploads);
    expect((await first(client)).status).toBe(201);
  });

  it('go on at the limit', async () => {
    const client = await start({ USER_MAX_OPEN_UPLOADS: '1' });
    const id = (await first(client)).body.upload_id as string;
    expect((await first(client)).status).toBe(429);
    expect((await client.slice(file, 5000, 10_000, id)).status).toBe(201);
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });
});

describe('bytes that open uploads of one user reserve', () => {
  const settings = { ...SMALL, USER_MAX_RESERVED_BYTES: '25000' };

  it.each(ENDS)('are limited by their totals, and freed by %s', async (end, finish) => {
    const client = await start(settings);
    const id = (await first(client, opener(end))).body.upload_id as string;
    await first(client);
    const before = await app.state();
    const refused = await first(client);
    expect(told(refused)).toEqual([429, 'quota-exceeded', 'wait', '30']);
    expect(refused.body).toMatchObject({ quota: 'reserved', max_bytes: 25_000 });
    expect(await app.state()).toEqual(before);
    expect((await client.slice(pdf(5000), 0, 100)).status).toBe(201);
    await finish(client, id);
    expect((await first(client)).status).toBe(201);
  });

  it('are limited when all come at once', async () => {
    const client = await start({ ...settings, USER_MAX_OPEN_UPLOADS: '0' });
    const answers = await Promise.all(Array.from({ length: 50 }, () => first(client)));
    expect(opened(answers)).toBe(2);
  });
});

describe('bytes that one user has stored', () => {
  const settings = { USER_MAX_STORED_BYTES: '25000' };
  const finished = async (client: Client) =>
    (await client.complete(await client.upload(file), md5(file))).body.id as number;

  it('are limited, and freed when a Media is deleted', async () => {
    const client = await start(settings);
    const ids = [await finished(client), await finished(client)];
    const before = await app.state();
    const refused = await first(client);
    expect(told(refused)).toEqual([413, 'quota-exceeded', 'give-up', null]);
    expect(refused.body).toMatchObject({ quota: 'stored', max_bytes: 25_000 });
    expect(await app.state()).toEqual(before);
    expect((await first(await user())).status).toBe(201);
    await client.send('DELETE', `/api/v2/media/${ids[0]}/`);
    expect((await first(client)).status).toBe(201);
  });

  it('count with thumbnails, and with originals of what was altered', async () => {
    const client = await start({ USER_MAX_STORED_BYTES: '1' });
    const limit = (storedBytes: number) => Object.assign(app.config.limits, { storedBytes });
    limit(0);
    const image = await photo();
    const { id, size } = (await client.complete(await client.upload(image), md5(image))).body;
    const { image_thumbnail } = await until(
      async () => (await client.send('GET', `/api/v2/media/${id}/`)).body,
      (body) => body.image_thumbnail,
    );
    const thumbnail = (await (await fetch(image_thumbnail.url)).arrayBuffer()).byteLength;
    const stored = image.length + size + thumbnail;
    limit(stored + file.length - 1);
    expect((await first(client)).body.quota).toBe('stored');
    limit(stored + file.length);
    expect((await first(client)).status).toBe(201);
  });

  it('count together with what is reserved: whatever is open can be finished', async () => {
    const client = await start(settings);
    await finished(client);
    const answers = await Promise.all(Array.from({ length: 10 }, () => first(client)));
    expect(opened(answers)).toBe(1);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(told(refused[0]!)).toEqual([429, 'quota-exceeded', 'wait', '30']);
  });
});

describe('the disk', () => {
  /** What the file system says, which a test cannot wish for otherwise. */
  const free = (bytes: number) =>
    Object.assign(app.app.get(BlobStorage), { space: async () => ({ free: bytes, total: bytes }) });

  it('takes no new uploads beyond its reserve, and those under way to their end', async () => {
    const client = await start({ DISK_RESERVE_BYTES: '1000000' });
    free(1_000_000 + 25_000);
    const id = (await first(client)).body.upload_id as string;
    expect((await first(await user())).status).toBe(201);
    const before = await app.state();
    expect(told(await first(await user()))).toEqual([507, 'storage-full', 'wait', '30']);
    expect(await app.state()).toEqual(before);
    expect((await client.slice(file, 5000, 10_000, id)).status).toBe(201);
    expect((await client.complete(id, md5(file))).status).toBe(201);
  });

  it('takes as many as it has room for when all come at once', async () => {
    await start({ DISK_RESERVE_BYTES: '1000000' });
    free(1_000_000 + 55_000);
    const users = await Promise.all(Array.from({ length: 20 }, user));
    expect(opened(await Promise.all(users.map((client) => first(client))))).toBe(5);
  });

  it('gives one user no more than a tenth of what is free, and one upload in any case', async () => {
    const client = await start({ DISK_RESERVE_BYTES: '1000000' });
    free(1_000_000 + 300_000);
    const answers = await Promise.all(Array.from({ length: 10 }, () => first(client)));
    expect(opened(answers)).toBe(3);
    const refused = answers.find(({ status }) => status !== 201);
    expect(told(refused!)).toEqual([429, 'quota-exceeded', 'wait', '30']);
    expect(refused!.body).toMatchObject({ quota: 'reserved', max_bytes: 30_000 });
    free(1_000_000 + 50_000);
    await app.sql(`UPDATE upload_session SET expires_at = now()`);
    expect((await first(await user())).status).toBe(201);
  });

  it('is not promised to uploads that are refused', async () => {
    const client = await start({ DISK_RESERVE_BYTES: '1000000' });
    const another = await user();
    free(1_000_000 + 100_000);
    expect(opened(await Promise.all(Array.from({ length: 10 }, () => first(client))))).toBe(1);
    expect((await first(another)).status).toBe(201);
  });

  it('that is promised to slow uploads is taken back: from the greediest, the slowest first', async () => {
    const greedy = await start({ DISK_RESERVE_BYTES: '1000000' });
    const [modest, late] = [await user(), await user()];
    const open = async (client: Client, bytes: number) =>
      (await client.slice(file, 0, bytes)).body.upload_id as string;
    const uploads = [await open(greedy, 1), await open(greedy, 100), await open(greedy, 3000)];
    uploads.push(await open(modest, 1), await open(greedy, file.length));
    const states = () => Promise.all(uploads.map(async (id) => (await anyState(id))[0]?.state));
    const anyState = (id: string) =>
      app.sql<{ state: string }>(`SELECT state FROM upload_session WHERE id = $1`, [id]);
    // A second server has measured nothing yet.
    const twin = await app.twin();
    Object.assign(twin.app.get(BlobStorage), { space: async () => ({ free: 1_040_000, total: 2_000_000 }) });
    const there = new Client(twin.url, late.token);
    expect((await first(there)).status).toBe(507);
    expect(await states()).toEqual(['open', 'open', 'open', 'open', 'open']);
    await app.sql(`UPDATE upload_session SET created_at = created_at - interval '2 minutes'`);
    // Nothing is missing of the last one: ending it would make no room.
    await app.sql(`UPDATE upload_session SET created_at = now() - interval '60 days' WHERE "offset" = total`);
    expect((await first(there)).status).toBe(201);
    expect(await states()).toEqual(['expired', 'open', 'open', 'open', 'open']);
    expect((await greedy.slice(file, 1, 5000, uploads[0])).status).toBe(410);
    expect((await greedy.slice(file, 100, 5000, uploads[1])).status).toBe(201);
  });

  it('ends no slow upload if all of them together would not make enough room', async () => {
    const client = await start({ DISK_RESERVE_BYTES: '1000000' });
    await client.slice(file, 0, 1);
    await app.sql(`UPDATE upload_session SET created_at = created_at - interval '2 minutes'`);
    await (await user()).slice(pdf(40_000), 0, 1);
    const twin = await app.twin();
    Object.assign(twin.app.get(BlobStorage), { space: async () => ({ free: 1_045_000, total: 2_000_000 }) });
    const there = new Client(twin.url, (await user()).token);
    expect((await there.slice(pdf(20_000), 0, 1000)).status).toBe(507);
    expect(await app.sql(`SELECT state FROM upload_session`)).toEqual([{ state: 'open' }, { state: 'open' }]);
  });

  it('counts what open uploads have yet to send', async () => {
    const client = await start({ DISK_RESERVE_BYTES: '1000000' });
    await first(client);
    const twin = await app.twin({ DISK_RESERVE_BYTES: '1000000' });
    Object.assign(twin.app.get(BlobStorage), {
      space: async () => ({ free: 1_000_000 + 14_000, total: 2_000_000 }),
    });
    expect((await first(new Client(twin.url, (await user()).token))).status).toBe(507);
  });

  it('that says nothing is not judged', async () => {
    const client = await start({ DISK_RESERVE_BYTES: '1000000' });
    free(Infinity);
    expect((await first(client)).status).toBe(201);
  });

  it('is asked for real', async () => {
    const client = await start({ DISK_RESERVE_BYTES: String(2 ** 50) });
    expect((await first(client)).status).toBe(507);
  });
});

describe('the limits as they come', () => {
  it('take a document of 50 MiB', async () => {
    const client = await start({});
    const large = pdf(52_428_800);
    expect((await client.complete(await client.upload(large), md5(large))).status).toBe(201);
  }, 30_000);

  it('take more files in series than may be open at once', async () => {
    const client = await start({ USER_MAX_OPEN_UPLOADS: '3' });
    for (let i = 0; i < 10; i++) {
      expect((await client.complete(await client.upload(file), md5(file))).status).toBe(201);
    }
  });
});

describe('how fast one may be', () => {
  it('an upload too many within an hour is refused, and those that came to nothing do not count', async () => {
    const client = await start({ USER_UPLOADS_PER_HOUR: '2' });
    expect((await client.slice(Buffer.from('<html><script>'), 0, 14)).status).toBe(415);
    const id = (await first(client)).body.upload_id as string;
    expect((await first(client)).status).toBe(201);
    const before = await app.state();
    const refused = await first(client);
    expect([refused.status, refused.body.code, refused.body.action, refused.body.rate]).toEqual([
      429,
      'rate-exceeded',
      'wait',
      'uploads-per-hour',
    ]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3500);
    expect(await app.state()).toEqual(before);
    expect((await client.slice(file, 5000, 10_000, id)).status).toBe(201);
    expect((await first(await user())).status).toBe(201);
  });

  it('an address has a limit of its own', async () => {
    const client = await start({ ADDRESS_UPLOADS_PER_HOUR: '1' });
    expect((await first(client)).status).toBe(201);
    expect((await first(await user())).body.rate).toBe('uploads-per-hour');
  });

  it('uploads that are refused for their address do not count for their user', async () => {
    const client = await start({
      USER_UPLOADS_PER_HOUR: '1',
      ADDRESS_UPLOADS_PER_HOUR: '1',
      TRUST_PROXY: 'loopback',
    });
    const other = await user();
    const from = (client: Client, address: string) =>
      client.slice(file, 0, 5000, undefined, { headers: { 'x-forwarded-for': address } });
    expect((await from(client, '192.0.2.1')).status).toBe(201);
    expect((await from(other, '192.0.2.1')).status).toBe(429);
    expect((await from(other, '192.0.2.2')).status).toBe(201);
  });

  it('an address is the same with any port, and an IPv6 client has a whole /64', async () => {
    const client = await start({ ADDRESS_UPLOADS_PER_HOUR: '1', TRUST_PROXY: 'loopback' });
    const from = async (address: string) => {
      const headers = { 'x-forwarded-for': address };
      return (await client.slice(file, 0, 5000, undefined, { headers })).status;
    };
    expect([await from('192.0.2.1:5001'), await from('192.0.2.1:5002')]).toEqual([201, 429]);
    expect([await from('[2001:db8::1]:443'), await from('2001:db8::2')]).toEqual([201, 429]);
    expect(await from('2001:db8:0:1::1')).toBe(201);
  });

  it('bytes over the rate hold up the answer, and more than that is refused until it is paid', async () => {
    const client = await start({ USER_BYTES_PER_SECOND: '10000' });
    const large = pdf(400_000);
    const began = performance.now();
    const { upload_id: id } = (await client.slice(large, 0, 3000)).body;
    expect(performance.now() - began).toBeGreaterThan(299);
    expect((await client.slice(large, 3000, 200_000, id)).status).toBe(201);
    const before = await app.state();
    const refused = await client.slice(large, 200_000, 400_000, id);
    expect([refused.status, refused.body.code, refused.body.rate]).toEqual([
      429,
      'rate-exceeded',
      'bytes-per-second',
    ]);
    // The second chunk owes 19.7 s, of which its answer waited two.
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(18);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(2);
    expect(await app.state()).toEqual(before);
    expect((await first(await user())).status).toBe(201);
  });

  it('nothing is in the way of the largest file by default', async () => {
    const client = await start({});
    const largest = pdf(50 * 1024 * 1024);
    const id = await client.upload(largest);
    expect((await client.complete(id, md5(largest))).status).toBe(201);
  }, 30_000);
});
