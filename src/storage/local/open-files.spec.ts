import { constants } from 'node:fs';
import { mkdtemp, readlink, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OpenFiles } from './open-files.js';

const FLAGS = constants.O_RDWR | constants.O_CREAT;
const itOnLinux = process.platform === 'linux' ? it : it.skip;

let dir: string;
let open: OpenFiles;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mediadock-open-'));
  open = new OpenFiles();
});

afterEach(async () => {
  await open.closeAll();
  await rm(dir, { recursive: true });
});

/** How many descriptors of this process are files of the test. */
async function descriptors(): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((path) => path.startsWith(dir)).length;
}

async function fdOf(path: string): Promise<number> {
  let fd = -1;
  await open.use(path, FLAGS, async (file) => void (fd = await Promise.resolve(file.fd)));
  return fd;
}

itOnLinux('keeps a file open from one use to the next', async () => {
  const path = join(dir, 'a');
  expect(await fdOf(path)).toBe(await fdOf(path));
  expect(await descriptors()).toBe(1);
  await open.closeAll();
  expect(await descriptors()).toBe(0);
});

itOnLinux('closes a file whose use failed, for good', async () => {
  const path = join(dir, 'a');
  const use = open.use(path, FLAGS, async () => Promise.reject(new Error('no')));
  await expect(use).rejects.toThrow('no');
  expect(await descriptors()).toBe(0);
});

itOnLinux('keeps a bounded number open', async () => {
  for (let i = 0; i < 300; i++) await fdOf(join(dir, String(i)));
  expect(await descriptors()).toBe(256);
});

itOnLinux('two uses at once have a descriptor each, of which one stays', async () => {
  const path = join(dir, 'a');
  let release = (): void => undefined;
  const held = open.use(path, FLAGS, () => new Promise<void>((resolve) => (release = resolve)));
  await fdOf(path);
  expect(await descriptors()).toBe(2);
  release();
  await held;
  expect(await descriptors()).toBe(1);
});
