import { Module } from '@nestjs/common';
import { LibraryModule } from '../media/library/library.module.js';
import { OutgoingModule } from '../outgoing/outgoing.module.js';
import { UploadsModule } from '../media/uploads/uploads.module.js';
import { EventBodies } from './event-body.js';
import { Outbox } from './outbox.js';
import { Progress } from './progress.js';
import { ProgressController } from './progress.controller.js';
import { Webhooks } from './webhooks.js';

@Module({
  imports: [LibraryModule, OutgoingModule, UploadsModule],
  controllers: [ProgressController],
  providers: [EventBodies, Outbox, Progress, Webhooks],
})
export class EventsModule {}
