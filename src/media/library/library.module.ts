import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PublicUrlPipe } from '../public-url.pipe.js';
import { Clicks } from './clicks.js';
import { FileUrls } from './file-urls.js';
import { DownloadFastPath } from './files/download-fast-path.js';
import { Downloads } from './files/downloads.js';
import { FileController } from './files/file.controller.js';
import { SmallBlobs } from './files/small-blobs.js';
import { ThumbnailController } from './files/thumbnail.controller.js';
import { MediaController } from './media.controller.js';
import { Media } from './media.entity.js';
import { MediaService } from './media.service.js';
import { RememberedMedia } from './remembered-media.js';

@Module({
  imports: [TypeOrmModule.forFeature([Media])],
  controllers: [MediaController, FileController, ThumbnailController],
  providers: [
    Clicks,
    DownloadFastPath,
    Downloads,
    FileUrls,
    MediaService,
    PublicUrlPipe,
    RememberedMedia,
    SmallBlobs,
  ],
  exports: [FileUrls, MediaService, PublicUrlPipe],
})
export class LibraryModule {}
