import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServerProcess } from './setup/server-process.js';
import { createDatabase, dropDatabase } from './setup/test-app.js';
import { urlOf } from './setup/test-server.js';

let dataDir: string;
let database: string;
let servers: ServerProcess[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'mediadock-start-'));
  database = await createDatabase();
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
  await rm(dataDir, { recursive: true, force: true });
  await dropDatabase(database);
});

function start(settings: Record<string, string> = {}): ServerProcess {
  const server = ServerProcess.start({
    ...{ DATA_DIR: dataDir, DATABASE_URL: urlOf(database), UNSAFE_DATABASE: 'true' },
    ...settings,
  });
  servers.push(server);
  return server;
}

describe('a database that is older than its files', () => {
  it('is told of at the start, with how many files it does not know', async () => {
    await start().url();
    await servers.pop()?.stop();
    await mkdir(join(dataDir, 'files'), { recursive: true });
    for (let i = 0; i < 6; i++) await writeFile(join(dataDir, 'files', `${i}`.repeat(32)), 'newer');
    expect(await start().says(/quarantine/)).toMatch(/"orphans":6,.*6 files have no row.*quarantine/);
  });
});
