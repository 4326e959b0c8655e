import { DataSource } from 'typeorm';
import { ConfigError } from '../src/config/config-error.js';
import { pair } from '../src/media/upkeep/pairing.js';
import { BlobStorage } from '../src/storage/blob-storage.js';
import { Client } from './setup/client.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

it('a data directory with files is refused by a database that never saw it', async () => {
  const [mine, other] = [await TestApp.start(), await TestApp.start()];
  const files = mine.app.get(BlobStorage);
  await pair(mine.app.get(DataSource), files);
  await (await Client.of(mine)).upload(pdf(100));
  await pair(mine.app.get(DataSource), files);
  await expect(pair(other.app.get(DataSource), files)).rejects.toThrow(ConfigError);

  const empty = other.app.get(BlobStorage);
  await pair(other.app.get(DataSource), empty);
  await pair(other.app.get(DataSource), empty);
  await Promise.all([mine.stop(), other.stop()]);
});

it('an empty data directory is refused by a database that has uploads elsewhere', async () => {
  const [mine, other] = [await TestApp.start(), await TestApp.start()];
  await (await Client.of(mine)).slice(pdf(100), 0, 50);
  const empty = other.app.get(BlobStorage);
  await expect(pair(mine.app.get(DataSource), empty)).rejects.toThrow(ConfigError);
  await Promise.all([mine.stop(), other.stop()]);
});
