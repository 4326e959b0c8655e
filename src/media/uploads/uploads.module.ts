import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { BufferPool } from '../../body/buffer-pool.js';
import { Config } from '../../config/config.js';
import { OutgoingModule } from '../../outgoing/outgoing.module.js';
import { Admission } from '../admission/admission.js';
import { ContentModule } from '../content/content.module.js';
import { LibraryModule } from '../library/library.module.js';
import { ChunkPipe } from './chunks/chunk.pipe.js';
import { ChunkFastPath } from './chunks/chunk-fast-path.js';
import { CompletionService } from './completion.service.js';
import { FreeSpace } from './limits/free-space.js';
import { UploadRateLimiter } from './limits/upload-rate-limiter.js';
import { Publisher } from './publisher.js';
import { AnnouncingUploadStore } from './sessions/announced-tail.js';
import { UploadPart, UploadSession } from './sessions/upload-session.entity.js';
import { UploadSessions } from './sessions/upload-sessions.js';
import { UploadStore } from './sessions/upload-store.js';
import { UploadController } from './upload.controller.js';
import { UploadService } from './upload.service.js';
import { UploadWriter } from './upload-writer.js';

@Module({
  imports: [
    TypeOrmModule.forFeature([UploadSession, UploadPart]),
    ContentModule,
    LibraryModule,
    OutgoingModule,
  ],
  controllers: [UploadController],
  providers: [
    Admission,
    {
      provide: BufferPool,
      inject: [Config],
      useFactory: ({ uploads }: Config) => new BufferPool(uploads.requestMaxBytes, uploads.maxInMemory, 64),
    },
    ChunkFastPath,
    ChunkPipe,
    CompletionService,
    FreeSpace,
    Publisher,
    UploadRateLimiter,
    UploadService,
    UploadSessions,
    UploadWriter,
    // `useClass: UploadStore` turns announcing off.
    { provide: UploadStore, useClass: AnnouncingUploadStore },
  ],
  exports: [CompletionService, UploadRateLimiter, UploadService, UploadSessions, UploadStore],
})
export class UploadsModule {}
