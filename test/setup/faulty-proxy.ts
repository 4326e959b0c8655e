import { once } from 'node:events';
import {
  createServer,
  request as sendRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * What goes wrong with one request:
 * - `lose-answer`: the server answers into a connection that dies, and the browser sends the request again
 * - `hang-up`: the same, but the connection dies while the server is still at work
 * - `double`, `double-at-once`: the request arrives twice, one after the other or together
 * - `cut`: the server answers, the client never hears of it
 * - `lose-request`: the connection dies before the server hears of it
 */
export type Fault = 'lose-answer' | 'hang-up' | 'double' | 'double-at-once' | 'cut' | 'lose-request';

/**
 * What becomes of a request: a fault, or the answer of something between that the server never hears of. A promise holds
 * the request until then.
 * @param turn how many requests of this method went to this path before, its query aside
 */
export type FaultPlan = (request: { method: string; path: string; turn: number }) => Fate | Promise<Fate>;
export type Fate = Fault | ServerAnswer | undefined;

export interface ServerAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A request of the client, and all that the server answered to it. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly turn: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly answers: readonly ServerAnswer[];
}

interface Message {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Stands between a client and a server, and is a bad network. */
export class FaultyProxy {
  /** In the order in which they came. */
  readonly exchanges: Exchange[] = [];
  private readonly server: Server;

  private constructor(
    private target: string,
    private readonly plan: FaultPlan,
  ) {
    this.server = createServer((request, response) => {
      // A client that leaves in mid-request is nobody to answer.
      this.pass(request, response).catch(() => response.destroy());
    });
  }

  static async start(target: string, plan: FaultPlan = () => undefined): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target, plan);
    await once(proxy.server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Another server takes the place of the one behind. */
  turnTo(target: string): void {
    this.target = target;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const [path = ''] = url.split('?');
    const body = await buffer(request);
    const turn = this.exchanges.filter((one) => one.method === method && one.path === path).length;
    const answers: ServerAnswer[] = [];
    this.exchanges.push({ method, path, turn, headers, body, answers });
    const fate = await this.plan({ method, path, turn });
    // Only now: a request may have been held until another server was there.
    const carrier = new Carrier(this.target, { method, url, headers, body }, answers);
    const answer = typeof fate === 'object' ? fate : await carrier.carry(fate).catch(() => undefined);
    if (!answer) return void response.destroy();
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }
}

/** Carries one message to the server, and notes the answers. */
class Carrier {
  constructor(
    private readonly target: string,
    private readonly message: Message,
    private readonly answers: ServerAnswer[],
  ) {}

  /** @returns the answer for the client, if it gets any */
  async carry(fault: Fault | undefined): Promise<ServerAnswer | undefined> {
    if (fault === 'lose-request') return undefined;
    if (fault === 'double-at-once') return (await Promise.all([this.ask(), this.ask()]))[1];
    if (fault === 'lose-answer') await this.lose();
    if (fault === 'hang-up') await this.hangUp();
    if (fault === 'double' || fault === 'cut') await this.ask();
    return fault === 'cut' ? undefined : await this.ask();
  }

  private async ask(): Promise<ServerAnswer> {
    const answer = await answerTo(this.send());
    const { statusCode: status = 0, headers } = answer;
    return this.note({ status, headers, body: await buffer(answer) });
  }

  private async lose(): Promise<void> {
    const { statusCode: status = 0, headers, socket } = await answerTo(this.send());
    socket.destroy();
    this.note({ status, headers, body: Buffer.alloc(0) });
  }

  private async hangUp(): Promise<void> {
    const request = this.send().on('error', () => undefined);
    await once(request, 'finish');
    request.destroy();
  }

  private send(): ClientRequest {
    const { method, url, headers, body } = this.message;
    const request = sendRequest(new URL(url, this.target), { method, headers, agent: false });
    request.end(body);
    return request;
  }

  private note(answer: ServerAnswer): ServerAnswer {
    this.answers.push(answer);
    return answer;
  }
}

async function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return ((await once(request, 'response')) as [IncomingMessage])[0];
}
