import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { PublicUrlPipe } from '../public-url.pipe.js';
import { Clicks } from './clicks.js';
import { FileController } from './file.controller.js';
import { FileUrls } from './file-urls.js';
import { MediaController } from './media.controller.js';
import { Media } from './media.entity.js';
import { MediaService } from './media.service.js';
import { ThumbnailController } from './thumbnail.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Media])],
  controllers: [MediaController, FileController, ThumbnailController],
  providers: [Clicks, FileUrls, MediaService, PublicUrlPipe],
  exports: [FileUrls, MediaService, PublicUrlPipe],
})
export class LibraryModule {}
