import fc from 'fast-check';
import { Sweeper } from '../src/media/upkeep/sweeper.js';
import { pdf } from './setup/samples.js';
import { Client, md5, type Answer } from './setup/client.js';
import { TestApp } from './setup/test-app.js';

/**
 * Arbitrary sequences of requests against one upload, on two servers, beside a reference that is a few lines long:
 * whatever the server answers and stores must be what the reference says.
 */
const TOTAL = 6000;
const file = pdf(TOTAL);
const other = pdf(TOTAL, 'other');

interface Model {
  /** `none` until the first chunk. */
  state: 'none' | 'open' | 'complete' | 'cancelled' | 'expired';
  offset: number;
}

interface Real {
  servers: [TestApp, TestApp];
  token: string;
  uploadId: string | undefined;
  mediaId: number | undefined;
}

type Expected = readonly [status: number, code: string | undefined];

const GONE: Partial<Record<Model['state'], Expected>> = {
  none: [404, 'upload-not-found'],
  cancelled: [410, 'upload-cancelled'],
  expired: [410, 'upload-expired'],
};

abstract class Request implements fc.AsyncCommand<Model, Real> {
  constructor(readonly server: 0 | 1) {}

  check(): boolean {
    return true;
  }

  client(real: Real): Client {
    return new Client(real.servers[this.server].url, real.token);
  }

  id(real: Real): string {
    return real.uploadId ?? '0'.repeat(32);
  }

  abstract run(model: Model, real: Real): Promise<void>;
}

function expectAnswer(answer: Answer, [status, code]: Expected): void {
  expect([answer.status, answer.body?.code]).toEqual([status, code]);
}

class Chunk extends Request {
  constructor(
    server: 0 | 1,
    readonly shift: number,
    readonly length: number,
    readonly wrong: boolean,
  ) {
    super(server);
  }

  async run(model: Model, real: Real): Promise<void> {
    const start = Math.min(TOTAL - 1, Math.max(0, model.offset + this.shift));
    const end = Math.min(TOTAL, start + this.length);
    const bytes = this.wrong ? other : file;
    const answer = await this.client(real).slice(bytes, start, end, real.uploadId);
    expectAnswer(answer, this.expected(model, start, end));
    if (answer.status !== 201) return;
    real.uploadId = answer.body.upload_id;
    model.offset = Math.max(model.offset, end);
    if (model.state === 'none') model.state = 'open';
    expect(answer.body.offset).toBe(String(model.offset));
  }

  private expected(model: Model, start: number, end: number): Expected {
    const gone = model.state === 'none' ? undefined : GONE[model.state];
    if (gone) return gone;
    if (start > model.offset) return [409, 'mismatching-upload-offset'];
    const overlap = Math.min(end, model.offset);
    const sent = (this.wrong ? other : file).subarray(start, overlap);
    if (sent.equals(stored.subarray(start, overlap))) {
      (this.wrong ? other : file).copy(stored, model.offset, Math.max(model.offset, start), end);
      return [201, undefined];
    }
    return [409, model.state === 'complete' ? 'upload-complete' : 'chunk-conflict'];
  }

  override toString(): string {
    return `chunk(${this.shift >= 0 ? '+' : ''}${this.shift}, ${this.length}${this.wrong ? ', wrong' : ''})@${this.server}`;
  }
}

/** What the reference says is on disk. */
let stored = Buffer.alloc(TOTAL);

class Status extends Request {
  async run(model: Model, real: Real): Promise<void> {
    const answer = await this.client(real).status(this.id(real));
    expectAnswer(answer, GONE[model.state] ?? [200, undefined]);
    if (answer.status === 200) {
      expect(answer.body).toMatchObject({ state: model.state, offset: String(model.offset) });
    }
  }

  override toString(): string {
    return `status@${this.server}`;
  }
}

class Complete extends Request {
  constructor(
    server: 0 | 1,
    readonly wrong: boolean,
  ) {
    super(server);
  }

  async run(model: Model, real: Real): Promise<void> {
    const sum = this.wrong ? md5(Buffer.from('other')) : md5(stored);
    const answer = await this.client(real).complete(this.id(real), sum);
    expectAnswer(answer, this.expected(model));
    if (answer.status >= 300) return;
    real.mediaId ??= answer.body.id;
    expect(answer.body).toMatchObject({ id: real.mediaId, size: TOTAL });
    const bytes = Buffer.from(await (await fetch(answer.body.url)).arrayBuffer());
    expect(bytes.equals(stored)).toBe(true);
    model.state = 'complete';
  }

  private expected(model: Model): Expected {
    const gone = GONE[model.state];
    if (gone) return gone;
    if (model.offset < TOTAL) return [409, 'upload-incomplete'];
    if (this.wrong) return [400, 'checksum-mismatch'];
    return [model.state === 'complete' ? 200 : 201, undefined];
  }

  override toString(): string {
    return `complete${this.wrong ? '(wrong)' : ''}@${this.server}`;
  }
}

class Cancel extends Request {
  async run(model: Model, real: Real): Promise<void> {
    const answer = await this.client(real).send('DELETE', `/api/v2/media/upload/${this.id(real)}/`);
    const expected: Partial<Record<Model['state'], Expected>> = {
      none: [404, 'upload-not-found'],
      complete: [409, 'upload-complete'],
    };
    expect(answer.status).toBe(expected[model.state]?.[0] ?? 204);
    if (model.state === 'open') model.state = 'cancelled';
  }

  override toString(): string {
    return `cancel@${this.server}`;
  }
}

class Expire extends Request {
  async run(model: Model, real: Real): Promise<void> {
    const app = real.servers[this.server];
    const past = `UPDATE upload_session SET expires_at = now() - interval '1 second' WHERE id = $1`;
    await app.sql(past, [this.id(real)]);
    if (model.state === 'open') model.state = 'expired';
  }

  override toString(): string {
    return 'expire';
  }
}

class Sweep extends Request {
  async run(_model: Model, real: Real): Promise<void> {
    await real.servers[this.server].app.get(Sweeper).sweep();
  }

  override toString(): string {
    return `sweep@${this.server}`;
  }
}

class Restart extends Request {
  async run(_model: Model, real: Real): Promise<void> {
    real.servers[this.server] = await real.servers[this.server].restart();
  }

  override toString(): string {
    return `restart@${this.server}`;
  }
}

const server = fc.constantFrom<0 | 1>(0, 1);
const right = fc.record({ server, length: fc.integer({ min: 1, max: TOTAL }) });
const any = fc.record({ shift: fc.integer({ min: -3000, max: 500 }), wrong: fc.boolean() });
const frequently = [
  right.map(({ server, length }) => new Chunk(server, 0, length, false)),
  right.map(({ server, length }) => new Chunk(server, 0, length, false)),
  fc
    .tuple(right, any)
    .map(([{ server, length }, { shift, wrong }]) => new Chunk(server, shift, length, wrong)),
  server.map((one) => new Status(one)),
  fc.tuple(server, fc.boolean()).map(([one, wrong]) => new Complete(one, wrong)),
  server.map((one) => new Complete(one, false)),
  server.map((one) => new Sweep(one)),
];
const rarely = [
  server.map((one) => new Cancel(one)),
  server.map((one) => new Expire(one)),
  server.map((one) => new Restart(one)),
];

it('any sequence of requests, on two servers, does what a few lines of reference say', async () => {
  const app = await TestApp.start();
  const servers: [TestApp, TestApp] = [app, await app.twin()];
  const token = await app.token();
  const commands = fc.commands([...frequently, ...frequently, ...rarely], { maxCommands: 25 });
  try {
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        stored = Buffer.alloc(TOTAL);
        const real: Real = { servers, token, uploadId: undefined, mediaId: undefined };
        await fc.asyncModelRun(() => ({ model: { state: 'none', offset: 0 } as Model, real }), sequence);
        const media = await app.sql(`SELECT 1 FROM media WHERE upload_id = $1`, [real.uploadId ?? '']);
        expect(media).toHaveLength(real.mediaId === undefined ? 0 : 1);
      }),
      { numRuns: 60 },
    );
  } finally {
    await Promise.all(servers.map((one) => one.app.close()));
    await app.drop();
  }
}, 120_000);
