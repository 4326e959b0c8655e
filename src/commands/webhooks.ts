import type { INestApplicationContext } from '@nestjs/common';
import { isISO8601 } from 'class-validator';
import { Config } from '../config/config.js';
import { StartError } from '../config/start-error.js';
import { EventBodies, type RecordedEvent } from '../events/event-body.js';
import { Outbox, type Delivery } from '../events/outbox.js';
import { Webhooks } from '../events/webhooks.js';
import { fail } from '../fail.js';
import { newEventId } from '../outgoing/event-id.js';
import { commandLine } from './command-line.js';
import { withApp } from './with-app.js';

const USAGE = `Usage: npm run webhooks -- COMMAND

  list [--limit N]                 show the latest events and their deliveries
  list --failed [--since DATE]     only those whose last attempt failed
  show ID                          show an event with its body and all attempts
  resend ID                        deliver an event again
  resend --failed [--since DATE]   deliver everything again whose last attempt failed, in order
  test                             send a test event to each URL in WEBHOOK_URL now

  DATE is one of ISO 8601: 2026-11-28 or 2026-11-28T22:00Z`;

interface Arguments {
  readonly id: string;
  readonly limit: number;
  readonly since: Date;
}

interface Options {
  readonly failed: boolean;
  readonly limit?: string;
  readonly since?: string;
}

type Command = (app: INestApplicationContext, given: Arguments) => Promise<boolean>;

const OPTIONS = {
  limit: { type: 'string' },
  failed: { type: 'boolean', default: false },
  since: { type: 'string' },
} as const;

const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

const NONE_FAILED = 'There are no failed events';

/** Lists and resends webhooks. Exits with code 1 if the command failed. */
export async function webhooks(args: string[]): Promise<void> {
  const { values, positionals } = commandLine({ args, options: OPTIONS, allowPositionals: true }, USAGE);
  const { failed, limit = '50' } = values;
  const [name = '', id = '', ...more] = positionals;
  const since = dateOf(values.since);
  const known = commands(id !== '', failed);
  const command = Object.hasOwn(known, name) ? known[name] : undefined;
  const isWrong = more.length > 0 || !/^[1-9]\d*$/.test(limit) || hasUnused(name, values);
  if (!command || !since || isWrong) return fail(new StartError(USAGE));
  const given = { id, limit: Math.min(Number(limit), 10_000), since };
  const works = await withApp((app) => command(app, given)).catch(fail);
  process.exitCode = works ? 0 : 1;
}

/** Whether an option is given that has no effect there. */
function hasUnused(name: string, { failed, limit, since }: Options): boolean {
  return (since !== undefined && !failed) || (limit !== undefined && name !== 'list');
}

function dateOf(text = '1970-01-01'): Date | undefined {
  // Strict: Date rolls 30 February over to March.
  const isDate = ISO_DATE.test(text) && isISO8601(text, { strict: true });
  const date = new Date(text);
  return isDate && !Number.isNaN(date.getTime()) ? date : undefined;
}

function commands(ofEvent: boolean, failed: boolean): Readonly<Record<string, Command>> {
  if (failed) return ofEvent ? {} : { list: listFailed, resend: resendFailed };
  return ofEvent ? { show, resend } : { list, test };
}

async function list(app: INestApplicationContext, { limit }: Arguments): Promise<boolean> {
  return print(app, await app.get(Outbox).list(limit), 'There are no events');
}

async function listFailed(app: INestApplicationContext, { limit, since }: Arguments): Promise<boolean> {
  return print(app, await app.get(Outbox).listFailed(limit, since), NONE_FAILED);
}

function print(app: INestApplicationContext, deliveries: readonly Delivery[], none: string): boolean {
  for (const delivery of deliveries) console.log(line(app, delivery));
  if (deliveries.length === 0) console.log(none);
  return true;
}

async function show(app: INestApplicationContext, { id }: Arguments): Promise<boolean> {
  const deliveries = await app.get(Outbox).show(id);
  const [event] = deliveries;
  if (!event) return unknown(id);
  console.log(JSON.stringify(app.get(EventBodies).of(event), null, 2));
  for (const delivery of deliveries) console.log(line(app, delivery));
  return true;
}

async function resend(app: INestApplicationContext, { id }: Arguments): Promise<boolean> {
  const receivers = await app.get(Outbox).resend(id);
  if (receivers === 0) return unknown(id);
  console.log(`The server will send ${id} again`);
  return true;
}

async function resendFailed(app: INestApplicationContext, { since }: Arguments): Promise<boolean> {
  const count = await app.get(Outbox).resendFailed(since);
  const events = count === 1 ? '1 event' : `${count} events`;
  console.log(count === 0 ? NONE_FAILED : `The server will send ${events} again`);
  return true;
}

async function test(app: INestApplicationContext): Promise<boolean> {
  const { receivers } = app.get(Config).webhooks;
  if (receivers.length === 0) throw new StartError('WEBHOOK_URL: is not set');
  let works = true;
  for (const receiver of receivers) {
    const error = await app.get(Webhooks).send(receiver, testEvent());
    console.log(`${place(receiver.url)}: ${error ?? 'delivered'}`);
    works &&= error === undefined;
  }
  return works;
}

function testEvent(): RecordedEvent {
  const nothing = { upload_id: '', owner_id: '', subject: {} };
  return { id: newEventId(), type: 'webhook.test', created_at: new Date(), ...nothing };
}

function unknown(id: string): boolean {
  console.error(`There is no event ${id}`);
  return false;
}

function line(app: INestApplicationContext, delivery: Delivery): string {
  const { id, type, created_at, attempts, webhook, error } = delivery;
  const receiver = app.get(Config).webhooks.receivers.find(({ id }) => id === webhook);
  const where = receiver ? place(receiver.url) : `a receiver that WEBHOOK_URL no longer has (${webhook})`;
  const words = [created_at.toISOString(), id, type, state(delivery), `attempts: ${attempts}`, where, error];
  return words.filter((word) => word !== null).join('  ');
}

function state({ due, delivered_at }: Delivery): string {
  if (delivered_at) return 'delivered';
  return due ? 'waiting' : 'failed';
}

/** Leaves out the query and credentials, which may be secret. */
function place({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}
