// @ts-check

/** Runs uploads in order, several at a time. */
export class Load {
  /**
   * @param {readonly import('./upload.js').Upload[]} uploads @param {import('./http.js').Target} target
   * @param {{ concurrency: number, seconds: number }} options
   */
  constructor(uploads, target, { concurrency, seconds }) {
    this.uploads = uploads;
    this.target = target;
    this.deadline = Date.now() + seconds * 1000;
    this.acks = 0;
    /** @type {{ at: number, wake: () => void }[]} */
    this.waiting = [];
    this.queue = [...uploads];
    this.finished = false;
    this.done = Promise.all(Array.from({ length: concurrency }, () => this.work())).then(() => {
      this.finished = true;
      this.wake(Infinity);
    });
  }

  async work() {
    for (let upload = this.queue.shift(); upload; upload = this.queue.shift()) {
      await upload.run(this.target, this.deadline, () => this.wake(++this.acks));
    }
  }

  /** Resolves right after the count-th acknowledgment from now, or when all uploads are done. @param {number} count */
  async afterAcks(count) {
    if (this.finished) return;
    await new Promise((wake) => this.waiting.push({ at: this.acks + count, wake: () => wake(undefined) }));
  }

  /** @param {number} acks */
  wake(acks) {
    for (const { wake } of this.waiting.filter(({ at }) => at <= acks)) wake();
    this.waiting = this.waiting.filter(({ at }) => at > acks);
  }
}
