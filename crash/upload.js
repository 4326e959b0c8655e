// @ts-check
import { setTimeout as sleep } from 'node:timers/promises';
import { askStatus, send, sendChunk, sendComplete } from './http.js';
import { contentOf, digest, Random } from './random.js';

const PAUSE_MS = 40;
const CHUNK_MAX_BYTES = 204_800;

/** The server asked to retry later. */
class NotNow extends Error {}

/** A client that sends one file whatever happens to the server, and remembers what was acknowledged. */
export class Upload {
  /** @param {string} name decides the content @param {number} total @param {import('./random.js').Random} random */
  constructor(name, total, random) {
    this.name = name;
    this.total = total;
    this.random = random;
    this.raw = random.next() < 0.3;
    this.chunkBytes = random.pick([CHUNK_MAX_BYTES, CHUNK_MAX_BYTES, 65_536, 20_000, Math.ceil(total / 3)]);
    /** @type {string | undefined} */
    this.id = undefined;
    /** Bytes that a 201 has acknowledged. */
    this.acked = 0;
    /** Where it continues. The server may have stored more. */
    this.offset = 0;
    /** @type {number | undefined} the Media that a 2xx named */
    this.mediaId = undefined;
    this.done = false;
    /** Cancels the upload after its first chunk. */
    this.cancels = false;
    /** @type {(() => Promise<void>) | undefined} what it waits for after its first chunk */
    this.pause = undefined;
    /** Asks for the status before every chunk, as after a failure. This confirms an announced chunk. */
    this.asks = false;
    /**
     * Another server for the chunks that start in this range.
     * @type {{ target: import('./http.js').Target, from: number, to: number } | undefined}
     */
    this.detour = undefined;
    /** @type {() => Promise<void>} called after each failure */
    this.onFailure = async () => undefined;
    /**
     * Sent as Idempotency-Key, so that a first chunk with a lost response is found again.
     * @type {string | undefined}
     */
    this.key = undefined;
    /** Every request gets a response, and failed ones must not change anything. */
    this.exact = false;
    this.resumed = 0;
    /** @type {{ status: number, type: string }[]} answers that asked to wait, and 0 for none at all */
    this.failures = [];
    /** @type {string[]} what the server did to it that it never may */
    this.complaints = [];
    /** @type {Buffer | undefined} */
    this.bytes = undefined;
  }

  get content() {
    return (this.bytes ??= contentOf(this.name, this.total));
  }

  /**
   * Sends the whole file, with as many retries as needed until `deadline`.
   * @param {import('./http.js').Target} target @param {number} deadline @param {() => void} [onAck]
   */
  async run(target, deadline, onAck = () => undefined) {
    let broken = false;
    while (!this.done && this.complaints.length === 0) {
      if (Date.now() > deadline) return void this.complaints.push('stuck');
      try {
        if (broken) await this.ask(target);
        const acknowledged = await this.step(target);
        broken = false;
        if (acknowledged) onAck();
      } catch (error) {
        if (!(error instanceof NotNow)) this.failures.push({ status: 0, type: String(error) });
        if (!broken) this.resumed++;
        broken = true;
        await this.onFailure();
        await sleep(PAUSE_MS + this.random.between(0, PAUSE_MS));
      }
    }
    this.bytes = undefined;
  }

  /** @param {import('./http.js').Target} target */
  async step(target) {
    if (this.pause && this.acked > 0) await this.pause();
    if (this.acked > 0) this.pause = undefined;
    if (this.cancels && this.acked > 0) return await this.cancel(target);
    if (this.asks) await this.ask(target);
    return this.offset < this.total ? await this.append(target) : await this.complete(target);
  }

  /** @param {import('./http.js').Target} target */
  async append(target) {
    const { name, total, id, raw, key, offset: start } = this;
    const size = Math.min(
      this.random.between(1, 8) === 1 ? this.random.between(1, 1000) : this.chunkBytes,
      CHUNK_MAX_BYTES,
    );
    const bytes = this.content.subarray(start, start + size);
    const { detour } = this;
    const to = detour && start >= detour.from && start < detour.to ? detour.target : target;
    const answer = await sendChunk(to, { name, bytes, start, total, id, raw, key });
    if (answer.status !== 201) return this.refused('chunk', answer);
    const { body } = answer;
    this.id = body.upload_id;
    const end = start + bytes.length;
    this.offset = this.acked = end;
    // The response to a retry may have a larger offset.
    if (!('upload-replayed' in answer.headers) || Number(body.offset) < end)
      if (body.offset !== String(end)) this.complaints.push(`wrong offset ${body.offset}, not ${end}`);
    return true;
  }

  /** Completes twice, to check that a retry returns the same media item. @param {import('./http.js').Target} target */
  async complete(target) {
    const answer = await sendComplete(target, this.id ?? '', digest('md5', this.content));
    if (answer.status !== 201 && answer.status !== 200) return this.refused('complete', answer);
    const { body } = answer;
    this.done = this.mediaId !== undefined;
    if (this.mediaId !== undefined && this.mediaId !== body.id) this.complaints.push('doubled');
    this.mediaId ??= body.id;
    return true;
  }

  /** @param {import('./http.js').Target} target */
  async cancel(target) {
    const answer = await send(target, 'DELETE', `/api/v2/media/upload/${this.id}/`);
    if (answer.status !== 204) return this.refused('cancel', answer);
    this.done = true;
    return true;
  }

  /** Asks where to continue. @param {import('./http.js').Target} target */
  async ask(target) {
    // The response to the first chunk was lost, and with it the id, so the upload starts over.
    if (this.id === undefined) return;
    const answer = await askStatus(target, this.id);
    if (answer.status === 410 && this.cancels) return;
    if (answer.status !== 200) return void this.refused('status', answer);
    const { body } = answer;
    this.offset = Number(body.offset);
    if (this.offset < this.acked) this.complaints.push(`lost ${this.acked - this.offset} acknowledged bytes`);
    if (this.exact && this.offset > this.acked) this.complaints.push('wrong: a failure moved the offset');
    if (this.mediaId !== undefined && body.media_id !== this.mediaId) this.complaints.push('lost its media');
  }

  /**
   * A "try again later" is retried. Other errors must not happen to a correct client.
   * @param {string} what @param {import('./http.js').Answer} answer @returns {never | false}
   */
  refused(what, { status, headers, body }) {
    if (status >= 500) {
      this.failures.push({ status, type: headers['content-type'] ?? '' });
      throw new NotNow(`${status}`);
    }
    this.complaints.push(`${what} refused: ${status} ${JSON.stringify(body).slice(0, 300)}`);
    return false;
  }
}

/** Typical sizes: mostly small, some of a few megabytes. @param {import('./random.js').Random} random */
function sizeOf(random) {
  const die = random.next();
  if (die < 0.1) return random.between(1, 100);
  if (die < 0.5) return random.between(100, 100_000);
  if (die < 0.9) return random.between(100_000, 800_000);
  return random.between(800_000, 3_000_000);
}

/**
 * @param {string} prefix @param {number} count @param {import('./random.js').Random} random
 * @param {number} [most] bytes of one
 */
export function someUploads(prefix, count, random, most = Infinity) {
  return Array.from({ length: count }, (_, index) => {
    const total = Math.min(sizeOf(random), most);
    return new Upload(`${prefix}-${index}.txt`, total, random);
  });
}

/**
 * Three chunks of equal size as forms, which cause the same system calls every time.
 * @param {string} name @param {number} total
 */
export function plainUpload(name, total) {
  const random = new Random(name);
  random.between = (least) => least + 1;
  const upload = new Upload(name, total, random);
  upload.raw = false;
  upload.chunkBytes = Math.ceil(total / 3);
  return upload;
}
