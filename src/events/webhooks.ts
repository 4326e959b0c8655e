import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Periodic } from '../jobs/periodic.js';
import { Audit } from '../audit/audit.js';
import type { Receiver } from '../config/settings/webhooks.js';
import { Config } from '../config/config.js';
import { Jobs, type Attempt } from '../jobs/jobs.js';
import { deliveredEvents, failedEvents, oldestWaitingEventSeconds } from '../metrics/metrics.js';
import { plainText } from '../outgoing/answers.js';
import { SignedPost } from '../outgoing/signed-post.js';
import { EventBodies, type RecordedEvent } from './event-body.js';
import { jobOf, Outbox, type Delivery, type DeliveryJob } from './outbox.js';

const TIMEOUT_MS = 10_000;
/** After this time, other partitions get their turn. */
const TURN_MS = 5000;
const UPKEEP_MS = 15_000;
/** Concurrent deliveries to one receiver, per process. */
const AT_ONCE = 8;
/** Length of a recorded error. */
const MAX_CHARACTERS = 200;

/** Delivers events to the receivers in WEBHOOK_URL, at least once, and in order for each upload. */
@Injectable()
export class Webhooks implements OnModuleDestroy {
  private readonly logger = new Logger('Webhooks');
  private readonly upkeep = new Periodic((err) =>
    this.logger.warn({ err }, 'Old events could not be removed'),
  );

  constructor(
    private readonly config: Config,
    private readonly outbox: Outbox,
    private readonly bodies: EventBodies,
    private readonly post: SignedPost,
    private readonly audit: Audit,
    jobs: Jobs,
  ) {
    for (const receiver of config.webhooks.receivers)
      jobs.define<DeliveryJob>(jobOf(receiver.id), AT_ONCE, ({ partition }, attempt) =>
        this.deliverAll(receiver, partition, attempt),
      );
  }

  /** Makes triggers record events for exactly the configured receivers. */
  async start(): Promise<void> {
    await this.outbox.register(this.config.webhooks.receivers.map(({ id }) => id));
    this.upkeep.start(UPKEEP_MS, () => this.keepUp());
  }

  async onModuleDestroy(): Promise<void> {
    await this.upkeep.stop();
  }

  /** Sends an event once. Returns the error, if any. */
  async send({ url }: Receiver, event: RecordedEvent, stop?: AbortSignal): Promise<string | undefined> {
    stop?.throwIfAborted();
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const either = new AbortController();
    const abort = () => either.abort();
    // Not `AbortSignal.any`: `stop` lives as long as the workers, and would remember each signal made of it.
    for (const signal of [timeout, stop]) signal?.addEventListener('abort', abort, { once: true });
    try {
      const { status, text } = await this.post.send(url, event.id, this.bodies.of(event), either.signal);
      return status >= 200 && status < 300 ? undefined : plainText(`${status} ${text}`, MAX_CHARACTERS);
    } catch (error) {
      stop?.throwIfAborted();
      if (timeout.aborted) return `no answer in ${TIMEOUT_MS / 1000} s`;
      const { message, code } = error as NodeJS.ErrnoException;
      return plainText(message || code || 'failed', MAX_CHARACTERS);
    } finally {
      stop?.removeEventListener('abort', abort);
    }
  }

  private async keepUp(): Promise<void> {
    oldestWaitingEventSeconds.set(await this.outbox.oldestWaitingSeconds());
    while ((await this.outbox.forget()) && this.upkeep.isStarted) continue;
  }

  private async deliverAll(receiver: Receiver, partition: string, attempt: Attempt): Promise<void> {
    const end = Date.now() + TURN_MS;
    await this.outbox.takeOver(receiver.id, partition, attempt.job);
    for (;;) {
      const due = await this.outbox.due(receiver.id, partition);
      if (due.length === 0) return;
      for (const delivery of due) {
        const error = await this.send(receiver, delivery, attempt.signal);
        if (error === undefined) await this.succeed(delivery);
        else await this.fail(delivery, error);
        if (Date.now() > end) return await this.outbox.handOn(receiver.id, partition);
      }
    }
  }

  private async succeed(delivery: Delivery): Promise<void> {
    await this.outbox.delivered(delivery);
    deliveredEvents.inc();
    this.audit.record('webhook.delivered', { id: delivery.owner_id }, factsOf(delivery));
  }

  private async fail(delivery: Delivery, reason: string): Promise<void> {
    const isFinal = await this.outbox.failed(delivery, reason);
    if (!isFinal)
      return this.logger.warn({ ...factsOf(delivery), reason }, 'A webhook failed and will be retried');
    failedEvents.inc();
    this.audit.record('webhook.failed', { id: delivery.owner_id }, { ...factsOf(delivery), reason });
  }
}

const factsOf = ({ id, type, webhook, attempts }: Delivery) => ({
  delivered: id,
  type,
  webhook,
  attempts: attempts + 1,
});
