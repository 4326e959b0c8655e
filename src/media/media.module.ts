import { Module } from '@nestjs/common';
import { ContentModule } from './content/content.module.js';
import { LibraryModule } from './library/library.module.js';
import { SingleRequestModule } from './single-request/single-request.module.js';
import { Erasure } from './upkeep/erasure.js';
import { Fsck } from './upkeep/fsck.js';
import { Orphans } from './upkeep/orphans.js';
import { StoreFailures } from './upkeep/store-failures.js';
import { StorageMigration } from './upkeep/storage-migration.js';
import { Sweeper } from './upkeep/sweeper.js';
import { UploadCheck } from './upkeep/upload-check.js';
import { UploadsModule } from './uploads/uploads.module.js';

@Module({
  // In this order: `media/upload` must not be taken for a media id.
  imports: [UploadsModule, SingleRequestModule, LibraryModule, ContentModule],
  providers: [Erasure, Fsck, Orphans, StoreFailures, StorageMigration, Sweeper, UploadCheck],
})
export class MediaModule {}
