import type { Periodic } from '../src/jobs/periodic.js';
import { Progress } from '../src/events/progress.js';
import { Jobs } from '../src/jobs/jobs.js';
import { Client, md5 } from './setup/client.js';
import { Hold } from './setup/hold.js';
import { jpeg, pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;

beforeEach(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterEach(() => app.stop());

const file = pdf(3000);

interface Event {
  readonly id: string;
  readonly event: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly data: any;
}

/** Reads an event stream, one event at a time. */
class Stream {
  private text = '';

  private constructor(
    private readonly reader: ReadableStreamDefaultReader<string>,
    private readonly abort: AbortController,
  ) {}

  static async open(by: Client, id: string, headers: Record<string, string> = {}): Promise<Stream> {
    const abort = new AbortController();
    const response = await fetch(`${by.url}/api/v2/media/upload/${id}/events`, {
      headers: { authorization: `Bearer ${by.token}`, ...headers },
      signal: abort.signal,
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    return new Stream(response.body!.pipeThrough(new TextDecoderStream()).getReader(), abort);
  }

  /** Undefined at its end. */
  async next(): Promise<Event | undefined> {
    for (;;) {
      const [, block, rest] = /^\n*([^]*?)\n\n([^]*)$/.exec(this.text) ?? [];
      if (block !== undefined && rest !== undefined) {
        this.text = rest;
        const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?([^]*)/, 2)));
        if (fields.event) return { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
        continue;
      }
      const { done, value } = await this.reader.read();
      if (done) return undefined;
      this.text += value;
    }
  }

  close(): void {
    this.abort.abort();
  }
}

const types = async (stream: Stream) => {
  const all: string[] = [];
  for (let event = await stream.next(); event; event = await stream.next()) all.push(event.event);
  return all;
};

describe('a watched upload', () => {
  it('tells of each offset, of its completion and of its thumbnail, on any server', async () => {
    const twin = await Client.of(await app.twin());
    const image = await jpeg(300, 200);
    const { body } = await client.slice(image, 0, 1000);
    const stream = await Stream.open(twin, body.upload_id);
    const total = String(image.length);
    expect(await stream.next()).toEqual({
      id: 'offset-1000',
      event: 'offset',
      data: { offset: '1000', total },
    });
    await client.slice(image, 1000, image.length, body.upload_id);
    expect(await stream.next()).toEqual({
      id: `completing-${total}`,
      event: 'completing',
      data: { offset: total, total },
    });
    const media = (await client.complete(body.upload_id, md5(image))).body;
    const complete = await stream.next();
    expect(complete).toMatchObject({ id: 'complete', event: 'complete', data: { id: media.id } });
    if (complete!.data.image_thumbnail === null || (await stream.next())?.event === 'thumbnail') return;
    throw new Error('no thumbnail');
  });

  it('ends with a media item that gets no thumbnail, and for whom it is over', async () => {
    const id = await client.upload(file);
    await client.complete(id, md5(file));
    expect(await types(await Stream.open(client, id))).toEqual(['complete']);
    expect(await types(await Stream.open(client, id, { 'last-event-id': 'complete' }))).toEqual([]);
  });

  it('goes on after the last event that a client has', async () => {
    const { body } = await client.slice(file, 0, 1000);
    const stream = await Stream.open(client, body.upload_id, { 'last-event-id': 'offset-1000' });
    await client.slice(file, 1000, 2000, body.upload_id);
    expect(await stream.next()).toMatchObject({ id: 'offset-2000' });
    stream.close();
  });

  it('tells why it is rejected, and that it is cancelled', async () => {
    const image = await jpeg(400, 300);
    const broken = image.subarray(0, image.length - 20);
    const id = await client.upload(broken);
    const stream = await Stream.open(client, id);
    await stream.next();
    await client.complete(id, md5(broken));
    expect(await stream.next()).toMatchObject({ event: 'rejected', data: { code: 'unreadable-image' } });
    expect(await stream.next()).toBeUndefined();
    expect(await types(await Stream.open(client, id))).toEqual(['rejected']);
    const { body } = await client.slice(file, 0, 1000);
    const other = await Stream.open(client, body.upload_id);
    await other.next();
    await client.send('DELETE', `/api/v2/media/upload/${body.upload_id}/`);
    expect(await types(other)).toEqual(['cancelled']);
  });

  it('is 404 for others, and twenty streams are the most for a user', async () => {
    const { body } = await client.slice(file, 0, 1000);
    const path = `/api/v2/media/upload/${body.upload_id}/events`;
    expect((await (await Client.of(app, '8')).send('GET', path)).status).toBe(404);
    const streams = await Promise.all(Array.from({ length: 20 }, () => Stream.open(client, body.upload_id)));
    expect(await client.send('GET', path)).toMatchObject({
      status: 429,
      body: { code: 'too-many-requests' },
    });
    for (const stream of streams) stream.close();
  });

  it('ends with its server, and nobody is asked for it once nobody watches', async () => {
    const { body } = await client.slice(file, 0, 1000);
    const stream = await Stream.open(client, body.upload_id);
    await stream.next();
    const progress = app.app.get(Progress) as unknown as { polls: Periodic };
    expect(progress.polls.isStarted).toBe(true);
    const jobs = Hold.on(app.app.get(Jobs), 'onModuleDestroy', 'before');
    const closed = app.app.close();
    await types(stream);
    expect(progress.polls.isStarted).toBe(false);
    const again = await client.send('GET', `/api/v2/media/upload/${body.upload_id}/events`);
    expect(again).toMatchObject({ status: 503, body: { action: 'wait' } });
    jobs.release();
    await closed;
    app = await TestApp.on(app.database, app.config.dataDir);
  });
});
