// @ts-check
import { createHmac } from 'node:crypto';
import { Connection, NoAnswer } from './connection.js';
import { judge, parse, undocumented } from './oracle.js';
import { SECRET } from './server.js';

/** Above this size, the response of an early refusal may get lost, because a reset overtakes it. */
const CUT_BYTES = 64 * 1024;

export const CHUNK = '/api/v2/media/upload/chunk/';
export const COMPLETE = '/api/v2/media/upload/complete/';

/**
 * @typedef {readonly (readonly [name: string, value: string])[]} Headers
 * @typedef {{ method: string, target: string, headers?: Headers, body?: Buffer, token?: string | null }} Request
 * @typedef {import('./connection.js').Answer & { json: any }} Reply
 * @typedef {{ name: string, index: number, what: string, bytes: Buffer }} Finding
 */

/** What all clients of a run share. */
export class Ledger {
  /** @param {import('./schema.js').Contract} contract */
  constructor(contract) {
    this.contract = contract;
    this.requests = 0;
    /** Uploads that the server has reported, without those deleted with their media. */
    this.sessions = 0;
    this.cut = 0;
    /** @type {Finding[]} */
    this.findings = [];
    /** @type {Map<string, number>} */
    this.undocumented = new Map();
    /** @type {Map<string, number>} by class and status */
    this.statuses = new Map();
    /** @type {{ ms: number, name: string, index: number }} */
    this.slowest = { ms: 0, name: '', index: 0 };
  }
}

/** Runs cases over one connection, checks every response, and cleans up. */
export class Client {
  /** @param {number} port @param {Ledger} ledger @param {number} user */
  constructor(port, ledger, user) {
    this.ledger = ledger;
    this.connection = new Connection(port);
    this.raw = new Connection(port);
    this.token = sign({ user_id: user, token_type: 'access', exp: 4_000_000_000 });
    this.name = '';
    this.index = 0;
    this.last = Buffer.alloc(0);
    /** @type {Set<string>} */
    this.uploads = new Set();
    /** @type {Set<number>} */
    this.media = new Set();
  }

  /**
   * @param {string} name @param {number} index
   * @param {(client: Client, random: import('../crash/random.js').Random) => Promise<void>} play
   * @param {import('../crash/random.js').Random} random
   */
  async play(name, index, play, random) {
    Object.assign(this, { name, index });
    try {
      await play(this, random);
    } catch (error) {
      this.find(error instanceof NoAnswer ? error.message : `The case broke off: ${error}`);
    }
    await this.clearAway();
  }

  /** @param {Request} request @returns {Promise<Reply>} */
  async send(request) {
    const bytes = bytesOf({ token: this.token, ...request });
    this.last = bytes;
    this.ledger.requests++;
    const start = performance.now();
    /** @type {import('./connection.js').Answer} */
    let answer;
    try {
      answer = await this.connection.exchange(bytes, request.method === 'HEAD');
    } catch (error) {
      if (!(error instanceof NoAnswer) || bytes.length < CUT_BYTES) throw error;
      this.ledger.cut++;
      return { status: 413, headers: new Map(), body: Buffer.alloc(0), json: undefined };
    }
    this.count(answer, performance.now() - start);
    for (const fault of judge(this.ledger.contract, request, answer)) this.find(fault);
    const missing = undocumented(this.ledger.contract, request, answer.status);
    if (missing) this.ledger.undocumented.set(missing, (this.ledger.undocumented.get(missing) ?? 0) + 1);
    const reply = { ...answer, json: parse(answer.body) };
    this.keep(reply.json, answer.status);
    return reply;
  }

  /**
   * Sends bytes that need not be HTTP. The responses must be.
   * @param {Buffer[]} pieces @param {number} most answers there may be @returns {Promise<Reply[]>}
   */
  async shout(pieces, most) {
    this.last = Buffer.concat(pieces);
    this.ledger.requests++;
    const start = performance.now();
    const answers = await this.raw.shout(pieces);
    if (answers.length > most) this.find(`${answers.length} answers where ${most} at most are due`);
    for (const answer of answers) {
      this.count(answer, performance.now() - start);
      for (const fault of judge(this.ledger.contract, { method: '', target: '' }, answer)) this.find(fault);
    }
    const replies = answers.map((answer) => ({ ...answer, json: parse(answer.body) }));
    for (const { json, status } of replies) this.keep(json, status);
    return replies;
  }

  /** @param {string} what */
  find(what) {
    this.ledger.findings.push({ name: this.name, index: this.index, what, bytes: this.last });
  }

  /** @param {Reply} reply @param {(status: number) => boolean} good @param {string} what was asked */
  expect(reply, good, what) {
    if (!good(reply.status)) this.find(`${what}: ${reply.status} ${reply.body.toString().slice(0, 200)}`);
  }

  /** @param {import('./connection.js').Answer} answer @param {number} ms */
  count({ status }, ms) {
    const { statuses, slowest } = this.ledger;
    const key = `${this.name} ${status}`;
    statuses.set(key, (statuses.get(key) ?? 0) + 1);
    if (ms > slowest.ms) this.ledger.slowest = { ms, name: this.name, index: this.index };
  }

  /** Notes what has to be cleaned up. @param {any} json @param {number} status */
  keep(json, status) {
    if (status !== 200 && status !== 201) return;
    if (typeof json?.upload_id === 'string' && !this.uploads.has(json.upload_id) && status === 201) {
      this.uploads.add(json.upload_id);
      this.ledger.sessions++;
    }
    if (typeof json?.id === 'number' && 'mimetype' in json) this.media.add(json.id);
  }

  /** Leaves nothing of a case but the rows of cancelled uploads. */
  async clearAway() {
    const made = { uploads: [...this.uploads], media: [...this.media] };
    this.uploads.clear();
    this.media.clear();
    try {
      for (const id of made.media) {
        const { status } = await this.send({ method: 'DELETE', target: `/api/v2/media/${id}/` });
        if (status === 204) this.ledger.sessions--;
        else if (status !== 404) this.find(`media ${id} cannot be deleted: ${status}`);
      }
      for (const id of made.uploads) {
        const { status } = await this.send({ method: 'DELETE', target: `/api/v2/media/upload/${id}/` });
        if (status !== 204 && status !== 404) this.find(`upload ${id} cannot be cancelled: ${status}`);
      }
    } catch (error) {
      this.find(`Nothing could be cleared away: ${error}`);
    }
  }

  close() {
    this.connection.close();
    this.raw.close();
  }
}

/** @param {Request} request */
export function bytesOf({ method, target, headers = [], body, token }) {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...(token ? [`Authorization: Bearer ${token}`] : []),
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body ? [`Content-Length: ${body.length}`] : []),
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body ?? Buffer.alloc(0)]);
}

/** @param {object} claims @param {object} [header] @param {string} [secret] */
export function sign(claims, header = { alg: 'HS256', typ: 'JWT' }, secret = SECRET) {
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export const BOUNDARY = 'fuzz-boundary-7d1f';
export const FORM = /** @type {const} */ (['Content-Type', `multipart/form-data; boundary=${BOUNDARY}`]);

/** @param {string} name @param {string | Buffer} data @param {string} [more] of the disposition, with other headers */
export function part(name, data, more = '') {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(data), Buffer.from('\r\n')]);
}

/** @param {readonly Buffer[]} parts */
export function form(parts) {
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** @param {number} start @param {number} length @param {number} total */
export function range(start, length, total) {
  return /** @type {const} */ (['Content-Range', `bytes ${start}-${start + length - 1}/${total}`]);
}

/**
 * A text file named after its case, so that leftovers can be traced to it.
 * @param {Client} client @param {number} length
 */
export function textOf(client, length) {
  return Buffer.from(`${client.name} ${client.index} `.padEnd(length, 'lorem ').slice(0, length));
}

/**
 * Opens an upload with the first `sent` bytes of `file`.
 * @param {Client} client @param {Buffer} file @param {number} sent @param {string} [fileName]
 * @returns {Promise<string>}
 */
export async function open(
  client,
  file,
  sent = file.length,
  fileName = `${client.name}-${client.index}.txt`,
) {
  const reply = await client.send({
    method: 'POST',
    target: CHUNK,
    headers: [FORM, range(0, sent, file.length)],
    body: form([part('image', file.subarray(0, sent), `; filename="${fileName}"`)]),
  });
  client.expect(reply, (status) => status === 201, 'a valid first chunk');
  return reply.json?.upload_id ?? '';
}

/** The state of an upload, which a refused request must not change. @param {Client} client @param {string} id */
export async function stateOf(client, id) {
  const { status, json } = await client.send({ method: 'GET', target: `/api/v2/media/upload/${id}/` });
  return `${status} ${json?.offset} ${json?.total} ${json?.state} ${json?.title}`;
}
