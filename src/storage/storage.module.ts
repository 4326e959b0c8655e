import { Global, Module } from '@nestjs/common';
import { Digester } from './digester.js';
import { FileStore } from './file-store.js';
import { ThumbnailStore } from './thumbnail-store.js';

@Global()
@Module({ providers: [FileStore, ThumbnailStore, Digester], exports: [FileStore, ThumbnailStore, Digester] })
export class StorageModule {}
