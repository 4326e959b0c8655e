import { Global, Module } from '@nestjs/common';
import { BlobStorage } from './blob-storage.js';
import { LocalStorage } from './local/local-storage.js';

@Global()
@Module({
  providers: [{ provide: BlobStorage, useClass: LocalStorage }],
  exports: [BlobStorage],
})
export class StorageModule {}
