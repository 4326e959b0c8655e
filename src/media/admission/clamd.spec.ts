import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scan } from './clamd.js';

const SIZE = 8_000_000;

/** Asks a scanner that does what it is told when the first bytes come. */
async function ask(answer: (socket: Socket) => void, patienceMs = 10_000): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'mediadock-scan-'));
  await writeFile(join(directory, 'file'), Buffer.alloc(SIZE));
  const file = await open(join(directory, 'file'));
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    socket.once('data', () => answer(socket.pause()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await scan({ host: '127.0.0.1', port }, file, SIZE, AbortSignal.timeout(patienceMs));
  } finally {
    sockets.forEach((socket) => socket.destroy());
    server.close();
    await file.close();
    await rm(directory, { recursive: true });
  }
}

it.each([
  ['says so and reads no further', (socket: Socket) => socket.end('INSTREAM size limit exceeded. ERROR\0')],
  ['hangs up', (socket: Socket) => socket.end()],
  ['is gone', (socket: Socket) => socket.destroy()],
])('a scanner that %s before it has all is an error', async (_, answer) => {
  await expect(ask(answer)).rejects.toThrow(/^clamd/);
});

it('a scanner that says nothing is waited for so long, and no longer', async () => {
  await expect(ask(() => undefined, 50)).rejects.toThrow('clamd does not respond');
});

it('a virus is told by its name, however early', async () => {
  expect(await ask((socket) => socket.end('stream: Some.Virus FOUND\0'))).toBe('Some.Virus');
});
