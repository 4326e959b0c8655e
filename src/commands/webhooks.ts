import type { INestApplicationContext } from '@nestjs/common';
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

  list [--limit N]   show the latest events and their deliveries
  show ID            show an event with its body and all attempts
  resend ID          deliver an event again
  test               send a test event to each URL in WEBHOOK_URL now`;

type Command = (app: INestApplicationContext, id: string) => Promise<boolean>;

/** Lists and resends webhooks. Exits with code 1 if the command failed. */
export async function webhooks(args: string[]): Promise<void> {
  const options = { limit: { type: 'string', default: '50' } } as const;
  const { values, positionals } = commandLine({ args, options, allowPositionals: true }, USAGE);
  const [name = '', id = '', ...more] = positionals;
  const limit = Math.min(Number(values.limit), 10_000);
  const commands: Readonly<Record<string, Command>> = { list: (app) => list(app, limit), test };
  const withId: Readonly<Record<string, Command>> = { show, resend };
  const known = id ? withId : commands;
  const command = Object.hasOwn(known, name) ? known[name] : undefined;
  if (!command || more.length > 0 || !/^[1-9]\d*$/.test(values.limit)) return fail(new StartError(USAGE));
  const works = await withApp((app) => command(app, id)).catch(fail);
  process.exitCode = works ? 0 : 1;
}

async function list(app: INestApplicationContext, limit: number): Promise<boolean> {
  const deliveries = await app.get(Outbox).list(limit);
  for (const delivery of deliveries) console.log(line(app, delivery));
  if (deliveries.length === 0) console.log('There are no events');
  return true;
}

async function show(app: INestApplicationContext, id: string): Promise<boolean> {
  const deliveries = await app.get(Outbox).show(id);
  const [event] = deliveries;
  if (!event) return unknown(id);
  console.log(JSON.stringify(app.get(EventBodies).of(event), null, 2));
  for (const delivery of deliveries) console.log(line(app, delivery));
  return true;
}

async function resend(app: INestApplicationContext, id: string): Promise<boolean> {
  const receivers = await app.get(Outbox).resend(id);
  if (receivers === 0) return unknown(id);
  console.log(`The server will send ${id} again`);
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
