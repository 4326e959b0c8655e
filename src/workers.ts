import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import type { Serving } from './serve.js';

/**
 * Runs the server in `count` processes that share one port, and replaces those that die. Only the first one sweeps; it
 * would be safe on all of them, but pointless.
 */
export async function runWorkers(count: number): Promise<Serving> {
  let stopping = false;
  const address: { port?: number } = {};
  const start = (index: number): Worker => {
    // With PORT 0, later workers must get the same port.
    const settings = {
      ...(address.port && { PORT: address.port }),
      ...(index > 0 && { SWEEP_INTERVAL_SECONDS: '0' }),
    };
    const worker = cluster.fork(settings);
    let listening = false;
    worker.once('listening', () => (listening = true));
    worker.once('exit', () => {
      // A worker that failed to start would fail again. It has reported why.
      if (!listening && !stopping) process.exit(1);
      if (!stopping) workers[index] = start(index);
    });
    return worker;
  };
  const workers = Array.from({ length: count }, (_, index) => start(index));
  const addresses = await Promise.all(workers.map((worker) => once(worker, 'listening')));
  const { port } = Object.assign(address, (addresses[0] as [{ port: number }])[0]);
  return {
    port,
    stop: async () => {
      stopping = true;
      await Promise.all(workers.map(end));
    },
  };
}

async function end(worker: Worker): Promise<void> {
  if (worker.isDead()) return;
  const gone = once(worker, 'exit');
  worker.process.kill('SIGTERM');
  await gone;
}
