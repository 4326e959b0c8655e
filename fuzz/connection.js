// @ts-check
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const ANSWER_MS = 15_000;
/** How long to wait for a response to an incomplete request. */
const QUIET_MS = 40;

/**
 * @typedef {{ status: number, headers: Map<string, string>, body: Buffer, bare?: string }} Answer `bare` says what of its framing is wrong
 */

/** A response is missing. */
export class NoAnswer extends Error {}

/** A keep-alive connection for raw bytes, since an HTTP library would only send well-formed requests. */
export class Connection {
  /** @param {number} port */
  constructor(port) {
    this.port = port;
    /** @type {import('node:net').Socket | undefined} */
    this.socket = undefined;
    this.received = Buffer.alloc(0);
    this.ended = false;
    this.wake = () => {};
  }

  /**
   * Sends a request and waits for its response. Reconnects if the server closed the connection between two requests.
   * @param {Buffer} bytes @param {boolean} bodiless whether it is a HEAD @returns {Promise<Answer>}
   */
  async exchange(bytes, bodiless) {
    const reused = this.socket !== undefined && !this.ended;
    if (!reused) await this.open();
    this.socket?.write(bytes);
    const answer = await this.next(bodiless, Date.now() + ANSWER_MS);
    if (answer) return this.finished(answer);
    const closed = this.ended;
    this.close();
    if (closed && reused) return await this.exchange(bytes, bodiless);
    throw new NoAnswer(closed ? 'The connection was closed without an answer' : 'No answer came');
  }

  /**
   * Sends bytes that need not be a request on a separate connection. Returns all responses until the server closes it.
   * @param {readonly Buffer[]} pieces @returns {Promise<Answer[]>}
   */
  async shout(pieces) {
    await this.open();
    for (const piece of pieces) {
      if (piece !== pieces[0]) await sleep(1);
      this.socket?.write(piece);
    }
    const answers = [];
    for (let deadline = Date.now() + QUIET_MS; ; deadline = Date.now() + QUIET_MS) {
      const answer = await this.next(false, deadline);
      if (!answer) break;
      answers.push(answer);
    }
    this.socket?.end();
    const last = await this.next(false, Date.now() + ANSWER_MS);
    if (last) answers.push(last);
    const closed = this.ended || (await this.untilEnd());
    this.close();
    if (!closed) throw new NoAnswer('The connection was left open');
    return answers;
  }

  async open() {
    this.received = Buffer.alloc(0);
    this.ended = false;
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.received = this.received.length === 0 ? bytes : Buffer.concat([this.received, bytes]);
      this.wake();
    });
    const end = () => {
      if (this.socket === socket) this.ended = true;
      this.wake();
    };
    socket.on('error', end).on('end', end).on('close', end);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  }

  close() {
    this.socket?.destroy();
    this.socket = undefined;
  }

  /** @param {Answer} answer */
  finished(answer) {
    if (/close/i.test(answer.headers.get('connection') ?? '') || this.received.length > 0) this.close();
    return answer;
  }

  /**
   * The next complete response, or undefined if there is none before the deadline or the end.
   * @param {boolean} bodiless @param {number} deadline
   */
  async next(bodiless, deadline) {
    for (;;) {
      const found = readAnswer(this.received, bodiless, this.ended);
      if (found) {
        this.received = this.received.subarray(found.length);
        if (found.answer.status >= 200) return found.answer;
        continue;
      }
      if (this.ended || Date.now() >= deadline) return undefined;
      await this.change(deadline - Date.now());
    }
  }

  async untilEnd() {
    const deadline = Date.now() + ANSWER_MS;
    while (!this.ended && Date.now() < deadline) await this.change(deadline - Date.now());
    return this.ended;
  }

  /** @param {number} milliseconds @returns {Promise<void>} */
  async change(milliseconds) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds, undefined);
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
    this.wake = () => {};
  }
}

/**
 * @param {Buffer} bytes @param {boolean} bodiless @param {boolean} ended
 * @returns {{ answer: Answer, length: number } | undefined}
 */
function readAnswer(bytes, bodiless, ended) {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const { status, headers } = readHead(bytes.toString('latin1', 0, headEnd));
  const start = headEnd + 4;
  /** @param {Buffer} body @param {number} length @param {string} [bare] */
  const found = (body, length, bare) => ({
    answer: { status, headers, body, ...(bare && { bare }) },
    length: start + length,
  });
  if (status < 200 || status === 204 || status === 304 || bodiless) return found(Buffer.alloc(0), 0);
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(bytes, start, found);
  const length = headers.get('content-length');
  if (length === undefined) {
    return ended ? found(bytes.subarray(start), bytes.length - start, 'no length') : undefined;
  }
  const end = start + Number(length);
  return bytes.length < end ? undefined : found(bytes.subarray(start, end), Number(length));
}

/** @param {string} text */
function readHead(text) {
  const [line = '', ...lines] = text.split('\r\n');
  const headers = new Map(
    lines.map((text) => {
      const colon = text.indexOf(':');
      return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()];
    }),
  );
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? 0), headers };
}

/**
 * @param {Buffer} bytes @param {number} start
 * @param {(body: Buffer, length: number) => { answer: Answer, length: number }} found
 */
function readChunks(bytes, start, found) {
  const parts = [];
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return found(Buffer.concat(parts), next - start);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}
