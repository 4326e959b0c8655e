import { Md5 } from './md5.js';
import type { Hash } from './platform.js';

/** MD5 off the main thread, or on it if the page cannot start a worker. */
export async function workerHash(): Promise<Hash> {
  try {
    return await WorkerHash.start();
  } catch {
    return inlineHash();
  }
}

function inlineHash(): Hash {
  const hash = new Md5();
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest(),
    close: () => undefined,
  };
}

class WorkerHash implements Hash {
  private constructor(private readonly worker: Worker) {}

  static async start(): Promise<WorkerHash> {
    // Bundlers recognize this form and include the worker.
    const worker = new Worker(new URL('./md5-worker.js', import.meta.url), { type: 'module' });
    await answer(worker);
    return new WorkerHash(worker);
  }

  async update(bytes: Uint8Array): Promise<void> {
    this.worker.postMessage(bytes);
    await answer(this.worker);
  }

  async digest(): Promise<string> {
    this.worker.postMessage(null);
    return (await answer(this.worker)) as string;
  }

  close(): void {
    this.worker.terminate();
  }
}

async function answer(worker: Worker): Promise<unknown> {
  return await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message || 'The worker failed'));
  });
}
