import { Module } from '@nestjs/common';
import { BufferPool } from '../body/buffer-pool.js';
import { ContentInspector } from './content/content-inspector.js';
import { FileController } from './library/file.controller.js';
import { ImageCodec } from './images/image-codec.js';
import { PublicImages } from './images/public-images.js';
import { Thumbnails } from './images/thumbnails.js';
import { FileUrls } from './library/file-urls.js';
import { MediaController } from './library/media.controller.js';
import { MediaService } from './library/media.service.js';
import { ThumbnailController } from './library/thumbnail.controller.js';
import { ChunkFastPath } from './uploads/chunk-fast-path.js';
import { CompletionService } from './uploads/completion.service.js';
import { DiskSpace } from './uploads/disk-space.js';
import { PublicUrlPipe } from './public-url.pipe.js';
import { Rates } from './uploads/rates.js';
import { UploadController } from './uploads/upload.controller.js';
import { UploadReader } from './uploads/upload-reader.js';
import { UploadService } from './uploads/upload.service.js';
import { UploadSessions } from './uploads/upload-sessions.js';
import { UploadWriter } from './uploads/upload-writer.js';
import { UserLimits } from './uploads/user-limits.js';
import { Fsck } from './upkeep/fsck.js';
import { Orphans } from './upkeep/orphans.js';
import { Sweeper } from './upkeep/sweeper.js';

@Module({
  // In this order: `media/upload` must not be taken for a media id.
  controllers: [UploadController, MediaController, FileController, ThumbnailController],
  providers: [
    BufferPool,
    ChunkFastPath,
    UploadSessions,
    UploadReader,
    UploadWriter,
    UploadService,
    CompletionService,
    MediaService,
    ContentInspector,
    ImageCodec,
    PublicImages,
    Thumbnails,
    DiskSpace,
    UserLimits,
    Rates,
    FileUrls,
    PublicUrlPipe,
    Orphans,
    Sweeper,
    Fsck,
  ],
})
export class MediaModule {}
