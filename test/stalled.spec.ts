import { once } from 'node:events';
import { truncate } from 'node:fs/promises';
import type { Server } from 'node:http';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jest } from '@jest/globals';
import { Clicks } from '../src/media/library/clicks.js';
import { MediaService } from '../src/media/library/media.service.js';
import { Client, md5 } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { text } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const FILE_BYTES = 50 * 1024 * 1024;
const ROUND_MS = 50;
const STALL_MS = 6 * ROUND_MS;

let app: TestApp;
let server: Server;
let client: Client;
let file: string;
/** The server's side of each connection. */
const sockets: Socket[] = [];

beforeAll(async () => {
  app = await TestApp.start();
  server = app.app.getHttpServer();
  server.on('connection', (socket) => sockets.push(socket));
  client = await Client.of(app);
  // A large file that takes no space and no time.
  const bytes = text(100);
  const media = await client.complete(await client.upload(bytes), md5(bytes));
  file = new URL(media.body.url).pathname;
  await truncate(`${app.config.dataDir}${file.replace(/\.txt$/, '')}`, FILE_BYTES);
  await app.sql('UPDATE media SET size = $1', [FILE_BYTES]);
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await app.stop();
});
beforeEach(() => void sockets.splice(0));
afterEach(() => {
  for (const socket of sockets) socket.destroy();
});

/** Of all bytes that are in use, by the server and by the test. */
async function memory(): Promise<number> {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return await Promise.resolve(process.memoryUsage().arrayBuffers);
}

/** A connection that reads nothing until it is resumed. */
function ask(...requests: string[]): Socket {
  const socket = new Socket().on('error', () => undefined);
  socket.pause().connect(Number(new URL(app.url).port), '127.0.0.1');
  socket.write(requests.map((request) => `${request} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  return socket;
}

const now = <T>(look: () => T) => Promise.resolve().then(look);
const stuck = () => sockets.filter(({ writableLength }) => writableLength > 0);

describe('a download that nobody reads', () => {
  it('costs 128 kB of memory at most, and no descriptor of its own', async () => {
    const before = await memory();
    const clients = Array.from({ length: 100 }, () => ask(`GET ${file}`));
    await until(
      () => now(stuck),
      ({ length }) => length === 100,
    );
    expect(Math.max(...sockets.map(({ writableLength }) => writableLength))).toBeLessThan(128_000);
    // What is no longer used is swept in the background.
    await until(memory, (bytes) => bytes < before + 100 * 128_000);
    expect(await app.openFiles()).toBeLessThanOrEqual(16);
    for (const one of clients) one.destroy();
    await until(
      () => now(() => sockets),
      (all) => all.every(({ destroyed }) => destroyed),
    );
  });

  it('keeps those behind it on its connection waiting', async () => {
    const looked = jest.spyOn(app.app.get(MediaService), 'getByFileName');
    const one = ask(...Array.from({ length: 16 }, () => `GET ${file}`));
    await until(
      () => now(stuck),
      ({ length }) => length === 1,
    );
    expect((await client.send('GET', '/api/v2/media/')).status).toBe(200);
    expect(looked).toHaveBeenCalledTimes(1);
    jest.restoreAllMocks();
    one.destroy();
  });
});

describe('an answer that makes no progress for six rounds', () => {
  beforeAll(() => (server.timeout = ROUND_MS));

  it('ends, and nothing else does', async () => {
    const hold = Hold.on(app.app.get(Clicks), 'add', 'before');
    const [idle, busy, slow, ...stalled] = [
      ask('GET /health/live'),
      ask('POST /api/v2/media/1/click/'),
      ask(`GET ${file}`),
      ...Array.from({ length: 10 }, () => ask(`GET ${file}`)),
    ] as [Socket, Socket, Socket, ...Socket[]];
    await hold.reached;
    const slowly = readSlowly(slow);
    idle.resume();
    await until(
      () => now(stuck),
      ({ length }) => length >= 10,
    );
    await until(
      () => now(() => sockets.filter(({ destroyed }) => destroyed).length),
      (ended) => ended >= 10,
    );
    expect(await slowly).toBeGreaterThan(FILE_BYTES);
    expect(stalled).toHaveLength(10);
    hold.release();
    busy.resume();
    idle.write('GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n');
    const answers = await Promise.all(
      [idle, busy].map(async (socket) => String((await once(socket, 'data'))[0])),
    );
    expect(answers.map((answer) => answer.split(' ')[1])).toEqual(['200', '204']);
  });
});

/** Takes longer over it than a stall may last, but never as long for one step; how many bytes came. */
async function readSlowly(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on('data', (piece: Buffer) => (bytes += piece.length));
  while (bytes < FILE_BYTES && !socket.destroyed) {
    socket.resume();
    await pause(ROUND_MS / 10);
    socket.pause();
    await pause(STALL_MS / 6);
  }
  return bytes;
}
