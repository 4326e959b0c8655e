import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './until.js';

export interface ReceivedEvent {
  readonly id: string;
  readonly type: string;
  readonly created_at: string;
  // As any receiver would: untyped JSON.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly data: any;
}

interface Reply {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** A backend that is told of events. */
export class Receiver {
  readonly requests: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
  answer: (event: ReceivedEvent) => Reply | Promise<Reply> = () => ({ status: 204 });
  private server: Server | undefined;
  private port = 0;

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.restart();
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  /** All that came, repeats too. */
  get received(): ReceivedEvent[] {
    return this.requests.map(({ body }) => JSON.parse(body) as ReceivedEvent);
  }

  /** Waits until so many have come. */
  async events(count: number): Promise<ReceivedEvent[]> {
    return await until(
      () => Promise.resolve(this.received),
      (all) => all.length >= count,
    );
  }

  /** Answers nothing until it is released. */
  hold(): { readonly reached: Promise<void>; readonly release: () => void } {
    let arrive!: () => void;
    let release!: () => void;
    const reached = new Promise<void>((resolve) => (arrive = resolve));
    const released = new Promise<void>((resolve) => (release = resolve));
    this.answer = async () => {
      arrive();
      await released;
      return { status: 204 };
    };
    return { reached, release };
  }

  /** On the port that it had. */
  async restart(): Promise<void> {
    this.server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const body = Buffer.concat(pieces).toString();
        this.requests.push({ path: request.url ?? '', headers: request.headers, body });
        void Promise.resolve(this.answer(JSON.parse(body) as ReceivedEvent)).then(
          ({ status, headers, body = '' }) => response.writeHead(status, headers).end(body),
        );
      });
    });
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.server?.listening) return;
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
