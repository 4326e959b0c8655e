// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';

const COMES_MS = 10_000;

/** Freezes a server while a statement is in transit. Postgres gets the statement after the server thaws. */
export class Hold {
  /**
   * @param {import('./wire.js').Wire} wire of the server @param {import('./server.js').Server} server
   * @param {import('./statements.js').Kind} kind of the statement @param {number} [count] which one of them
   */
  constructor(wire, server, kind, count = 1) {
    this.server = server;
    /** @type {readonly string[]} parts that the statement names */
    this.names = [];
    this.isReached = false;
    /** @type {Promise<void>} */
    this.released = new Promise((release) => (this.thaw = this.release(release)));
    let seen = 0;
    wire.decide = async (statement) => {
      if (statement.kind === kind && ++seen === count) {
        server.signal('SIGSTOP');
        this.names = statement.names;
        this.isReached = true;
        await this.released;
      }
      return /** @type {const} */ ('pass');
    };
  }

  /** @param {(value: void) => void} release */
  release(release) {
    return () => {
      this.server.signal('SIGCONT');
      release();
    };
  }

  /** Whether the statement was sent. */
  async reached() {
    const deadline = Date.now() + COMES_MS;
    while (!this.isReached && Date.now() < deadline) await sleep(5);
    return this.isReached;
  }
}
