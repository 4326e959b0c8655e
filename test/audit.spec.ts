import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Logger } from '@nestjs/common';
import { NestLogger } from '../src/http/logging.js';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { Client, md5 } from './setup/client.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

interface Line {
  readonly event?: string;
  readonly [field: string]: unknown;
}

let app: TestApp;
let client: Client;
let lines: Line[];

beforeEach(async () => {
  app = await TestApp.start({
    USER_MAX_OPEN_UPLOADS: '2',
    FAILED_TOKENS_PER_MINUTE: '1',
    TRUST_PROXY: 'loopback',
  });
  client = await Client.of(app, '7');
  lines = [];
  const log = new Writable({
    write: (line: Buffer, _, done) => {
      lines.push(JSON.parse(line.toString()) as Line);
      done();
    },
  });
  Logger.overrideLogger(new NestLogger(pino({ base: null }, log)));
});

afterEach(async () => {
  Logger.overrideLogger(false);
  await app.stop();
});

const file = pdf(10_000);
const first = async () => (await client.slice(file, 0, 5000)).body.upload_id as string;
const audited = () => lines.filter(({ event }) => event !== undefined);
const told = () =>
  audited().map(({ event, user, media, bytes, reason }) =>
    JSON.parse(JSON.stringify({ event, user, media, bytes, reason })),
  );

it('tells of an upload from its first chunk to the end of its media, once each', async () => {
  const id = await client.upload(file, { chunkBytes: 5000 });
  await client.slice(file, 0, 5000, id);
  const { body } = await client.complete(id, md5(file));
  await client.complete(id, md5(file));
  await client.send('DELETE', `/api/v2/media/${body.id}/`);
  await client.send('DELETE', `/api/v2/media/${body.id}/`);
  expect(told()).toEqual([
    { event: 'upload.created', user: '7', bytes: 10_000 },
    { event: 'upload.completed', user: '7', media: body.id, bytes: 10_000 },
    { event: 'media.deleted', user: '7', media: body.id },
  ]);
  const [created, completed] = audited();
  expect(created).toMatchObject({
    session: expect.stringMatching(/^[0-9a-f]{16}$/),
    address: '127.0.0.1',
    request_id: expect.stringMatching(/^[\w-]{36}$/),
    context: 'Audit',
  });
  expect(completed!['session']).toBe(created!['session']);
  expect(JSON.stringify(lines)).not.toContain(id);
});

it('tells of whole addresses, without ports', async () => {
  for (const address of ['203.0.113.9:5001', '[2001:db8::1]:443'])
    await client.slice(file, 0, 5000, undefined, { headers: { 'x-forwarded-for': address } });
  expect(audited().map(({ address }) => address)).toEqual(['203.0.113.9', '2001:db8::1']);
});

it('tells how uploads end that become no media', async () => {
  const cancelled = await first();
  await client.send('DELETE', `/api/v2/media/upload/${cancelled}/`);
  await client.send('DELETE', `/api/v2/media/upload/${cancelled}/`);
  await first();
  await app.sql(`UPDATE upload_session SET expires_at = now() - interval '1 second'`);
  await app.app.get(Sweeper).sweep();
  const page = Buffer.from('<html><script>alert(1)</script></html>');
  await client.slice(page, 0, page.length);
  const image = await jpeg(400, 300);
  const broken = image.subarray(0, image.length - 20);
  await client.complete(await client.upload(broken), md5(broken));
  expect(told().filter(({ event }: Line) => event !== 'upload.created')).toEqual([
    { event: 'upload.cancelled', user: '7' },
    { event: 'upload.expired', user: '7' },
    { event: 'upload.rejected', user: '7', reason: 'unsupported-content' },
    { event: 'upload.rejected', user: '7', reason: 'unreadable-image' },
  ]);
});

it('tells what limits refuse', async () => {
  for (let i = 0; i < 3; i++) await first();
  const stranger = new Client(app.url, 'no.good.token');
  for (let i = 0; i < 2; i++) await stranger.status('0'.repeat(32));
  expect(told().slice(2)).toEqual([
    { event: 'upload.limited', user: '7', reason: 'too-many-uploads' },
    { event: 'upload.limited', reason: 'too-many-bad-tokens' },
  ]);
  expect(JSON.stringify(lines)).not.toContain('no.good.token');
});
