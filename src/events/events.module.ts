import { Module } from '@nestjs/common';
import { LibraryModule } from '../media/library/library.module.js';
import { OutgoingModule } from '../outgoing/outgoing.module.js';
import { EventBodies } from './event-body.js';
import { Outbox } from './outbox.js';
import { Webhooks } from './webhooks.js';

@Module({
  imports: [LibraryModule, OutgoingModule],
  providers: [EventBodies, Outbox, Webhooks],
})
export class EventsModule {}
