// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 500;
/** Time for descriptors, thumbnails and sockets to go away. Files stay open for five seconds. */
const SETTLE_MS = 20_000;
const BLOCKED_MS = 50;
/** Only long delays fail a run, because other processes may use the machine too. */
const LONGEST_BLOCK_MS = 250;
/** How far memory may rise: a share, and what garbage collection leaves to chance. */
const GROWTH = 0.05;
const SLACK_BYTES = 16 * 1024 * 1024;
/** Number of requests until memory has settled, and of measurements needed for a result. */
const LEVEL_REQUESTS = 100_000;
const LEVEL_LOOKS = 8;

/** Observes the server from outside while it is being fuzzed. */
export class Watch {
  /** @param {import('./server.js').Server} server */
  constructor(server) {
    this.server = server;
    /** @type {number[]} */
    this.lags = [];
    /** @type {number[]} of the loop itself: what its thread waited for a processor is taken off */
    this.blocks = [];
    /** @type {number[]} */
    this.memory = [];
    /** @type {number[]} once it has found its level */
    this.levelled = [];
    /** @type {Awaited<ReturnType<typeof server.footprint>> | undefined} */
    this.base = undefined;
    this.stopped = false;
    this.looking = this.look();
  }

  async look() {
    // The first measurement only sets the baseline.
    await this.server.delays().catch(() => undefined);
    while (!this.stopped && this.server.running) {
      await sleep(LOOK_MS);
      const delays = await this.server.delays().catch(() => undefined);
      if (!delays) continue;
      this.lags.push(delays.lagMs);
      this.blocks.push(Math.max(0, delays.lagMs - delays.waitedMs));
    }
  }

  stop() {
    this.stopped = true;
  }

  /** Measures the baseline, after the warm-up. @param {import('./client.js').Ledger} ledger */
  async level(ledger) {
    const left = await this.leftovers(ledger);
    this.base = await this.server.footprint();
    this.lags.length = 0;
    this.blocks.length = 0;
    this.memory.length = 0;
    this.memory.push(await this.server.residentBytes());
    return left;
  }

  /**
   * Leftovers, after waiting for them to go away.
   * @param {import('./client.js').Ledger} ledger @returns {Promise<string[]>}
   */
  async leftovers(ledger) {
    if (!this.server.running) return ['The server is dead'];
    const deadline = Date.now() + SETTLE_MS;
    for (;;) {
      const now = await this.server.footprint();
      const expected = { sessions: ledger.sessions, open: 0, media: 0, clicks: 0, parts: 0, files: 0 };
      const wrong = Object.entries(expected)
        .filter(([name, count]) => now[name] !== count)
        .map(([name, count]) => `${now[name]} ${name} instead of ${count}`);
      if (this.base && now.descriptors > this.base.descriptors)
        wrong.push(`${now.descriptors} descriptors instead of ${this.base.descriptors}`);
      if (wrong.length === 0 || Date.now() > deadline) {
        const bytes = await this.server.residentBytes();
        this.memory.push(bytes);
        if (ledger.requests >= LEVEL_REQUESTS) this.levelled.push(bytes);
        return wrong;
      }
      await sleep(100);
    }
  }

  faults() {
    const { longestBlockMs } = this.figures();
    const faults = [];
    const { level, last } = this.levels();
    if (last > level * (1 + GROWTH) && last - level > SLACK_BYTES)
      faults.push(`memory grew from ${megabytes(level)} to ${megabytes(last)} MB`);
    if (longestBlockMs > LONGEST_BLOCK_MS) faults.push(`the event loop was blocked for ${longestBlockMs} ms`);
    return faults;
  }

  /** Memory in the first and the last quarter of the measurements; both zero if the run is too short. */
  levels() {
    if (this.levelled.length < LEVEL_LOOKS) return { level: 0, last: 0 };
    const quarter = Math.floor(this.levelled.length / 4);
    return {
      level: median(this.levelled.slice(0, quarter)),
      last: median(this.levelled.slice(-quarter)),
    };
  }

  figures() {
    const { level, last } = this.levels();
    return {
      memoryMB: this.memory.map(megabytes),
      ...(level > 0 && { growthPercent: Math.round(((last - level) / level) * 1000) / 10 }),
      longestLagMs: Math.round(Math.max(0, ...this.lags)),
      longestBlockMs: Math.round(Math.max(0, ...this.blocks)),
      looks: this.lags.length,
      looksBlocked: this.blocks.filter((ms) => ms > BLOCKED_MS).length,
    };
  }

  line() {
    const { memoryMB, longestLagMs, longestBlockMs } = this.figures();
    return `${memoryMB.at(-1)} MB, lag ${longestLagMs} ms, of it blocked ${longestBlockMs} ms`;
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return Math.round(bytes / 2 ** 20);
}

/** @param {number[]} figures */
function median(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
