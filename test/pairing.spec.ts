import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { ConfigError } from '../src/config/config.js';
import { pair } from '../src/media/upkeep/pairing.js';
import { Client } from './setup/client.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

it('a data directory with files is refused by a database that never saw it', async () => {
  const [mine, other] = [await TestApp.start(), await TestApp.start()];
  const { dataDir } = mine.config;
  await pair(mine.app.get(DataSource), dataDir);
  await (await Client.of(mine)).upload(pdf(100));
  await pair(mine.app.get(DataSource), dataDir);
  await expect(pair(other.app.get(DataSource), dataDir)).rejects.toThrow(ConfigError);

  const empty = await mkdtemp(join(tmpdir(), 'mediadock-empty-'));
  await pair(other.app.get(DataSource), empty);
  await pair(other.app.get(DataSource), empty);
  await Promise.all([rm(empty, { recursive: true }), mine.stop(), other.stop()]);
});
