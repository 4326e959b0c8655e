import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { S3Settings } from '../src/config/settings/storage.js';
import { loadConfig } from '../src/config/load-config.js';
import { ServiceUnavailable } from '../src/errors/app-error.js';
import type { BlobStorage } from '../src/storage/blob-storage.js';
import { readAt } from '../src/storage/local/files.js';
import { LocalStorage } from '../src/storage/local/local-storage.js';
import { S3Storage } from '../src/storage/s3/s3-storage.js';
import { StorageFull } from '../src/storage/storage.errors.js';
import { noise } from './setup/samples.js';
import { realStore } from './setup/real-store.js';
import { S3Server } from './setup/s3-server.js';
import { JWT_SECRET } from './setup/test-app.js';

type Driver = BlobStorage & { onModuleInit(): Promise<void>; onModuleDestroy(): Promise<void> | void };

const ID = 'a'.repeat(32);
const LARGE = 9_000_000;

let dataDir: string;
let server: S3Server;
let storage: Driver;

const s3 = (settings: Record<string, string>) =>
  new S3Storage(loadConfig({ JWT_SECRET, STORAGE: 's3', ...settings }).storage as S3Settings, dataDir);

beforeAll(async () => void (server = await S3Server.start()));
afterAll(() => server.stop());
beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'mediadock-storage-'))));
afterEach(async () => {
  await storage.onModuleDestroy();
  server.heal();
  await rm(dataDir, { recursive: true });
});

const drivers: [string, () => Driver][] = [
  ['local files', () => new LocalStorage(loadConfig({ JWT_SECRET, DATA_DIR: dataDir }))],
  ['an S3 of our own', () => s3({ ...server.settings, S3_PREFIX: randomBytes(8).toString('hex') })],
];
const real = realStore();
if (real)
  drivers.push(['a real S3', () => s3({ ...real, S3_PREFIX: `test/${randomBytes(8).toString('hex')}` })]);
else it.skip('a real S3: none is given by TEST_S3_ENDPOINT', () => undefined);

describe.each(drivers)('storage in %s', (_, make) => {
  beforeEach(async () => {
    storage = make();
    await storage.onModuleInit();
  });

  const names = async (area: 'uploads' | 'files', ageSeconds: number, batch = 100) => {
    const batches: string[][] = [];
    for await (const some of storage.listOld(area, ageSeconds, batch)) batches.push(some);
    return batches;
  };

  it('keeps parts under names that are new each time, and reads their ranges', async () => {
    const bytes = noise(100_000);
    const part = await storage.createPart(ID, bytes);
    expect(await storage.createPart(ID, bytes)).not.toBe(part);
    expect((await storage.read('uploads', part, 0, 100_000))?.equals(bytes)).toBe(true);
    expect(await storage.read('uploads', part, 10, 20)).toEqual(bytes.subarray(10, 30));
    expect(await storage.read('uploads', part, 99_990, 20)).toEqual(bytes.subarray(99_990));
    expect(await storage.read('uploads', part, 100_000, 20)).toEqual(Buffer.alloc(0));
    expect(await storage.size('uploads', part)).toBe(100_000);
    expect(await storage.read('uploads', `${part}0`, 0, 20)).toBeUndefined();
    expect(await storage.size('uploads', `${part}0`)).toBeUndefined();
  });

  it('continues a part, or says that it cannot and leaves it as it is', async () => {
    const part = await storage.createPart(ID, Buffer.from('begun'));
    const isContinued = await storage.appendPart(part, 5, Buffer.from(', continued'));
    const now = await storage.read('uploads', part, 0, 100);
    expect(now?.toString()).toBe(isContinued ? 'begun, continued' : 'begun');
  });

  it('assembles parts in their order, as far as they count, and publishes them once', async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => noise(1000 + i));
    const parts = [];
    for (const piece of pieces)
      parts.push({ name: await storage.createPart(ID, piece), length: piece.length - 1 });
    const whole = Buffer.concat(pieces.map((piece) => piece.subarray(0, -1)));
    const read = await storage.withUpload(ID, parts, async ({ file, publish }) => {
      await publish('f'.repeat(32));
      return await readAt(file, whole.length + 1, 0);
    });
    expect(read.equals(whole)).toBe(true);
    expect((await storage.read('files', 'f'.repeat(32), 0, whole.length + 1))?.equals(whole)).toBe(true);
    const again = await storage.withFile('f'.repeat(32), (file) => readAt(file, whole.length, 0));
    expect(again.equals(whole)).toBe(true);
    expect((await names('uploads', -86_400)).flat().sort()).toEqual(parts.map(({ name }) => name).sort());
  });

  it('publishes one part, and a file of many megabytes', async () => {
    for (const size of [1, LARGE]) {
      const bytes = noise(size);
      const part = await storage.createPart(ID, bytes);
      const key = randomBytes(16).toString('hex');
      await storage.withUpload(ID, [{ name: part, length: size }], ({ publish }) => publish(key));
      expect(await storage.size('files', key)).toBe(size);
      const stream = await storage.stream('files', key, 0, size - 1);
      expect((await buffer(stream!)).equals(bytes)).toBe(true);
    }
  }, 30_000);

  it('fails where a part is missing, and leaves nothing behind', async () => {
    const part = await storage.createPart(ID, Buffer.from('there'));
    const parts = [part, `${part}0`].map((name) => ({ name, length: 5 }));
    const work = () => Promise.reject(new Error('not reached'));
    await expect(storage.withUpload(ID, parts, work)).rejects.toThrow(ServiceUnavailable);
    expect((await names('uploads', -86_400)).flat()).toEqual([part]);
  });

  it('streams ranges, and nothing of what is not there', async () => {
    const bytes = noise(300_000);
    await storage.put('thumbnails', 'b'.repeat(32), bytes);
    const stream = await storage.stream('thumbnails', 'b'.repeat(32), 1000, 299_999);
    expect((await buffer(stream!)).equals(bytes.subarray(1000))).toBe(true);
    expect(await storage.stream('thumbnails', 'c'.repeat(32), 0, 10)).toBeUndefined();
  });

  it('lists what is old enough, in batches', async () => {
    for (let i = 0; i < 5; i++) await storage.createPart(ID, Buffer.from('x'));
    expect(await names('uploads', 60)).toEqual([]);
    const batches = await names('uploads', -60, 2);
    expect(Math.max(...batches.map(({ length }) => length))).toBeLessThanOrEqual(2);
    expect(batches.flat()).toHaveLength(5);
  });

  it('moves and removes, also what is not there', async () => {
    await storage.put('files', 'd'.repeat(32), Buffer.from('d'));
    await storage.move('files', 'd'.repeat(32), 'quarantine', 'set aside');
    await storage.move('files', 'd'.repeat(32), 'quarantine', 'set aside');
    expect(await storage.size('files', 'd'.repeat(32))).toBeUndefined();
    expect((await storage.read('quarantine', 'set aside', 0, 10))?.toString()).toBe('d');
    const parts = [
      await storage.createPart(ID, Buffer.from('1')),
      await storage.createPart(ID, Buffer.from('2')),
    ];
    await storage.removeAll('uploads', [...parts, `${parts[0]}0`]);
    await storage.remove('quarantine', 'set aside');
    await storage.remove('quarantine', 'set aside');
    expect([...(await names('uploads', -60)), ...(await names('files', -60))]).toEqual([]);
  });

  it('is healthy, and remembers its database', async () => {
    expect(await storage.isHealthy()).toBe(true);
    expect(await storage.readDatabaseId()).toBeUndefined();
    await storage.writeDatabaseId('an id');
    expect(await storage.readDatabaseId()).toBe('an id');
  });
});

describe('storage in an S3 that fails', () => {
  const bytes = noise(200_000);

  beforeEach(async () => {
    storage = s3(server.settings);
    await storage.onModuleInit();
    server.requests.length = 0;
  });

  it.each(['slow', 'busy', 'lost', 'refused', 'torn'] as const)(
    'takes a part though it is %s once',
    async (fault) => {
      server.fail(fault, 'PUT', /^uploads/);
      const part = await storage.createPart(ID, bytes);
      expect((await storage.read('uploads', part, 0, bytes.length))?.equals(bytes)).toBe(true);
    },
  );

  it.each(['busy', 'refused', 'torn', 'garbled'] as const)('takes no part while it is %s', async (fault) => {
    server.fail(fault, 'PUT', /./, Infinity);
    const id = randomBytes(16).toString('hex');
    await expect(storage.createPart(id, bytes)).rejects.toThrow(ServiceUnavailable);
    expect(server.keys(`uploads/${id}`)).toEqual([]);
    await expect(storage.isHealthy()).rejects.toThrow(ServiceUnavailable);
    server.heal();
    expect(await storage.isHealthy()).toBe(true);
  });

  it('says that it is full', async () => {
    server.fail('full', 'PUT', /^uploads/, Infinity);
    await expect(storage.createPart(ID, bytes)).rejects.toThrow(StorageFull);
  });

  it('looks whether a part is there when all answers are lost', async () => {
    server.fail('lost', 'PUT', /^uploads/, Infinity);
    const part = await storage.createPart(ID, bytes);
    expect(server.requests.at(-1)).toBe(`HEAD uploads/${part}`);
    expect((await storage.read('uploads', part, 0, bytes.length))?.equals(bytes)).toBe(true);
  });

  it.each(['lost', 'busy', 'refused'] as const)(
    'publishes a large file though it is %s once',
    async (fault) => {
      const large = noise(LARGE);
      const part = await storage.createPart(ID, large);
      for (const method of ['PUT', 'POST']) server.fail(fault, method, /^files/);
      const key = randomBytes(16).toString('hex');
      await storage.withUpload(ID, [{ name: part, length: LARGE }], ({ publish }) => publish(key));
      expect(server.objects.get(`files/${key}`)?.bytes.equals(large)).toBe(true);
    },
  );

  it('goes on reading where an answer was cut', async () => {
    const part = await storage.createPart(ID, bytes);
    server.fail('cut', 'GET', /^uploads/, 2);
    expect((await storage.read('uploads', part, 0, bytes.length))?.equals(bytes)).toBe(true);
    expect(server.requests.filter((one) => one.startsWith('GET'))).toHaveLength(3);
  });

  it.each(['refused', 'cut', 'busy'] as const)('gives up reading when every answer is %s', async (fault) => {
    const part = await storage.createPart(ID, bytes);
    server.fail(fault, 'GET', /^uploads/, Infinity);
    await expect(storage.read('uploads', part, 0, bytes.length)).rejects.toThrow(ServiceUnavailable);
  });

  it('keeps nothing of value on the machine', async () => {
    const part = await storage.createPart(ID, bytes);
    await storage.withUpload(ID, [{ name: part, length: bytes.length }], async () => {
      expect(await readdir(join(dataDir, 'scratch'))).toEqual([]);
    });
  });
});

it.each([
  ['abc', 1],
  ['null', 0],
  [undefined, 0],
])(
  'storage in an S3 warns of a bucket that keeps what is deleted (version %s)',
  async (version, warnings) => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    server.version = version;
    storage = s3(server.settings);
    await storage.onModuleInit();
    server.version = undefined;
    expect(warn.mock.calls.filter(([words]) => /keeps versions/.test(String(words)))).toHaveLength(warnings);
    warn.mockRestore();
  },
);

describe('storage in an S3 that cannot be used does not start', () => {
  const refusal = async (settings: Record<string, string>) => {
    storage = s3({ ...server.settings, ...settings });
    return await storage.onModuleInit().then(
      () => 'started',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  };

  it.each([
    [{ S3_BUCKET: 'another' }, /^StartError: S3_BUCKET: there is no bucket another at http/],
    [{ S3_ACCESS_KEY_ID: 'wrong' }, /^StartError: S3_ACCESS_KEY_ID: http\S+ does not know this key\.$/],
    [
      { S3_ENDPOINT: 'http://127.0.0.1:9' },
      /^StartError: S3_ENDPOINT: \S+ cannot be reached \(.*ECONNREFUSED.*\)\.$/,
    ],
  ])('with %j', async (settings, words) => {
    expect(await refusal(settings)).toMatch(words);
  });

  it.each([
    ['PUT', 'put'],
    ['GET', 'get|list'],
    ['DELETE', 'delete'],
  ])('without the right to %s', async (method, what) => {
    server.fail('denied', method, /./, Infinity);
    expect(await refusal({})).toMatch(
      new RegExp(`^StartError: S3_BUCKET: these credentials may not (${what}) objects in media: `),
    );
  });
});
