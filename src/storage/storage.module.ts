import { Global, Module } from '@nestjs/common';
import { Digester } from './digester.js';
import { FileStore } from './file-store.js';

@Global()
@Module({ providers: [FileStore, Digester], exports: [FileStore, Digester] })
export class StorageModule {}
