import { Worker as Thread } from 'node:worker_threads';

/** The Worker of browsers, as far as the client uses it, on a thread of Node. */
export class BrowserWorker {
  static running = 0;
  onmessage: ((event: { data: unknown }) => void) | undefined;
  onerror: ((event: { message: string }) => void) | undefined;
  private readonly thread: Thread;

  constructor(url: URL) {
    const code = `
      const { parentPort } = require('node:worker_threads');
      globalThis.self = globalThis;
      globalThis.postMessage = (data) => parentPort.postMessage(data);
      import(${JSON.stringify(url.href)}).then(() => parentPort.on('message', (data) => globalThis.onmessage({ data })));`;
    this.thread = new Thread(code, { eval: true });
    this.thread.on('message', (data: unknown) => this.onmessage?.({ data }));
    this.thread.on('error', ({ message }) => this.onerror?.({ message }));
    BrowserWorker.running += 1;
  }

  postMessage(data: unknown): void {
    this.thread.postMessage(data);
  }

  terminate(): void {
    BrowserWorker.running -= 1;
    void this.thread.terminate();
  }
}
