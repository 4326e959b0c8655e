import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { BlobStorage } from './blob-storage.js';
import { LocalStorage } from './local/local-storage.js';

@Global()
@Module({
  providers: [{ provide: BlobStorage, inject: [Config], useFactory: driver }],
  exports: [BlobStorage],
})
export class StorageModule {}

/** The SDK of an object store takes its time to load, so only those who use one pay for it. */
async function driver(config: Config): Promise<BlobStorage> {
  const { storage } = config;
  if (storage.driver === 'local') return new LocalStorage(config);
  if (storage.migrateFrom !== undefined) {
    const { MovingStorage } = await import('./s3/moving-storage.js');
    return new MovingStorage(storage, config.dataDir, storage.migrateFrom);
  }
  const { S3Storage } = await import('./s3/s3-storage.js');
  return new S3Storage(storage, config.dataDir);
}
