import { Module } from '@nestjs/common';
import { LibraryModule } from '../library/library.module.js';
import { UploadsModule } from '../uploads/uploads.module.js';
import { SingleRequestController } from './single-request.controller.js';
import { SingleRequestService } from './single-request.service.js';
import { FileBuffers } from './whole-file.pipe.js';

@Module({
  imports: [UploadsModule, LibraryModule],
  controllers: [SingleRequestController],
  providers: [FileBuffers, SingleRequestService],
})
export class SingleRequestModule {}
