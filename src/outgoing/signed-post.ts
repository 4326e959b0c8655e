import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Config } from '../config/config.js';
import { beginning } from './answers.js';
import { publicLookup, refusePrivateHost } from './private-addresses.js';
import { signatureHeaders } from './signature.js';

/** How much of a response is kept, to show to people. */
const MAX_ANSWER_BYTES = 4096;

/** Connections are not kept for longer: firewalls silently drop them, and Node.js servers close them after 5 s. */
const MAX_IDLE_MS = 4000;

export interface Answer {
  readonly status: number;
  /** The first bytes of the body. */
  readonly text: string;
}

/** Sends signed JSON to receivers. Does not follow redirects. */
@Injectable()
export class SignedPost implements OnApplicationShutdown {
  private readonly agents: { readonly 'http:': http.Agent; readonly 'https:': https.Agent };

  constructor(private readonly config: Config) {
    const options = {
      keepAlive: true,
      timeout: MAX_IDLE_MS,
      maxSockets: 64,
      ...(!config.webhooks.allowPrivate && { lookup: publicLookup }),
    };
    this.agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) };
  }

  /** By now, all requests that wait for a receiver have been answered. */
  onApplicationShutdown(): void {
    for (const agent of Object.values(this.agents)) agent.destroy();
  }

  /** Resolves to the response. @throws Error if there is none before `signal` aborts */
  async send(url: URL, id: string, payload: object, signal: AbortSignal): Promise<Answer> {
    const { allowPrivate, secrets } = this.config.webhooks;
    if (!allowPrivate) refusePrivateHost(url);
    const body = JSON.stringify(payload);
    const signed = signatureHeaders({ id, timestamp: Math.floor(Date.now() / 1000), body }, secrets);
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'Mediadock',
      ...signed,
    };
    const response = await this.request(url, { method: 'POST', headers, signal }, body);
    // The status counts, even if the body ends too early.
    const text = await beginning(response, MAX_ANSWER_BYTES).catch(() => '');
    return { status: response.statusCode ?? 0, text };
  }

  private async request(url: URL, options: http.RequestOptions, body: string): Promise<IncomingMessage> {
    const isSecure = url.protocol === 'https:';
    const agent = isSecure ? this.agents['https:'] : this.agents['http:'];
    return await new Promise((resolve, reject) => {
      const request = (isSecure ? https : http).request(url, { ...options, agent }, resolve);
      // Also for a response that switches protocols, which is not an error.
      request.on('close', () => reject(new Error('The connection ended without an answer')));
      request.on('error', (error: NodeJS.ErrnoException) => {
        // A connection that was kept may be closed by the receiver at any time, before it has seen the request.
        if (request.reusedSocket && error.code === 'ECONNRESET') resolve(this.request(url, options, body));
        else reject(error);
      });
      request.end(body);
    });
  }
}
