// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';

const BACK_MS = 5000;

/**
 * Servers must be ready within BACK_MS after everything they need is back.
 * @param {import('./place.js').Place} place @returns {Promise<import('./oracles.js').Violation[]>}
 */
export async function wholeAgain({ servers }) {
  const start = performance.now();
  const running = servers.filter((server) => server.running);
  const late = await Promise.all(running.map(async (server) => !(await becomesReady(server, start))));
  const count = late.filter(Boolean).length;
  return count === 0 ? [] : [{ kind: 'stuck', what: `${count} servers are not ready ${BACK_MS} ms later` }];
}

/** @param {import('./server.js').Server} server @param {number} start */
async function becomesReady({ url }, start) {
  while (performance.now() - start < BACK_MS) {
    const signal = AbortSignal.timeout(BACK_MS);
    const answer = await fetch(`${url}/health/ready`, { signal }).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return true;
    await sleep(50);
  }
  return false;
}
