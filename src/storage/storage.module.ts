import { Global, Module } from '@nestjs/common';
import { BlobStorage } from './blob-storage.js';
import { Digester } from './digester.js';
import { LocalStorage } from './local/local-storage.js';

@Global()
@Module({
  providers: [{ provide: BlobStorage, useClass: LocalStorage }, Digester],
  exports: [BlobStorage, Digester],
})
export class StorageModule {}
