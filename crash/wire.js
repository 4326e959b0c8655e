// @ts-check
import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from './random.js';
import { kindOf, namesIn } from './statements.js';

/** How long a statement of a cut connection may be in transit: until before, between or after the retries. */
const LATE_MS = [0, 20, 60, 100, 150, 300];
const SOCKET = '.s.PGSQL.5432';

/**
 * What happens to a statement: it passes; or its connection is cut before Postgres gets it, or after Postgres has
 * answered but before the server gets the answer, or while it is in transit, so that Postgres gets it later.
 * @typedef {'pass' | 'before' | 'after' | 'late'} Fate
 * @typedef {{ kind: import('./statements.js').Kind, text: string, names: readonly string[] }} Statement
 * @typedef {{ statement: Statement | undefined, messages: Buffer[] }} Unit up to a Sync, which Postgres answers as one
 */

/** A proxy between a server and Postgres that can observe, delay and cut off every statement. */
export class Wire {
  /** @param {import('./place.js').Place} place */
  constructor(place) {
    this.place = place;
    this.random = new Random('wire');
    /**
     * Called with each statement before it is passed on. Its result is awaited.
     * @type {(statement: Statement) => Fate | Promise<Fate>}
     */
    this.decide = () => 'pass';
    /** Called when a statement whose answer will be lost was answered, just before the connection ends. */
    this.onAnswer = () => undefined;
    /** Statements in transit whose connection has ended. @type {Set<Promise<void>>} */
    this.late = new Set();
    /** @type {Set<import('node:net').Socket>} */
    this.sockets = new Set();
    this.server = createServer((socket) => void new Line(this, socket));
    this.directory = join(place.root, `wire-${count++}`);
  }

  /** @param {import('./place.js').Place} place */
  static async open(place) {
    const wire = new Wire(place);
    await mkdir(wire.directory);
    wire.server.listen(join(wire.directory, SOCKET));
    await once(wire.server, 'listening');
    return wire;
  }

  /** Settings of a server that connects through this proxy. @returns {Record<string, string>} */
  get settings() {
    const { host } = this.place.postgres.connection;
    return {
      DATABASE_URL: this.place.postgres.url.replace(
        encodeURIComponent(host),
        encodeURIComponent(this.directory),
      ),
    };
  }

  /** Connects to Postgres. */
  upstream() {
    const { host, port } = this.place.postgres.connection;
    return connect(join(host, `.s.PGSQL.${port}`));
  }

  async close() {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

let count = 0;

/** One connection. */
class Line {
  /** @param {Wire} wire @param {import('node:net').Socket} client */
  constructor(wire, client) {
    this.wire = wire;
    this.client = client;
    this.upstream = wire.upstream();
    /** @type {Map<string, string>} */
    this.texts = new Map();
    /** Number of outstanding answers, including the greeting. */
    this.awaited = 1;
    /** The number of outstanding answers at which to cut the connection. @type {number | undefined} */
    this.cutAt = undefined;
    this.isCut = false;
    for (const socket of [client, this.upstream]) {
      wire.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.ended(socket));
    }
    void this.forward();
    void this.back();
  }

  /** @param {import('node:net').Socket} socket */
  ended(socket) {
    this.wire.sockets.delete(socket);
    if (!this.isCut) for (const end of [this.client, this.upstream]) end.destroy();
  }

  /** From the server to Postgres. */
  async forward() {
    const reader = messages(this.client, true);
    for await (const unit of units(reader, this.texts)) {
      // Leaving the loop would close the connection, and the answer is still outstanding.
      if (this.cutAt !== undefined) continue;
      const fate = unit.statement ? await this.wire.decide(unit.statement) : 'pass';
      if (fate === 'before') return this.cut();
      if (fate === 'late') return this.sendLate(unit);
      if (unit.messages.some(isRequest)) this.awaited++;
      if (fate === 'after') this.cutAt = this.awaited;
      this.send(unit);
    }
  }

  /** From Postgres to the server. Drops the answer that should be lost, and everything after it. */
  async back() {
    let answered = 0;
    for await (const message of messages(this.upstream, false)) {
      if (this.cutAt === undefined || answered < this.cutAt - 1) this.client.write(message);
      if (message[0] !== READY) continue;
      answered++;
      if (answered === this.cutAt) {
        this.wire.onAnswer();
        return this.cut();
      }
    }
  }

  /** @param {Unit} unit */
  send(unit) {
    if (!this.upstream.destroyed) this.upstream.write(Buffer.concat(unit.messages));
  }

  /** @param {Unit} unit */
  sendLate(unit) {
    this.isCut = true;
    this.client.destroy();
    const sent = sleep(this.wire.random.pick(LATE_MS)).then(async () => {
      this.send(unit);
      // Postgres reads everything that was sent.
      this.upstream.end();
      await Promise.race([once(this.upstream, 'close').catch(() => undefined), sleep(2000)]);
    });
    this.wire.late.add(sent);
    void sent.finally(() => this.wire.late.delete(sent));
  }

  cut() {
    this.client.destroy();
    this.upstream.destroy();
  }
}

const [READY, SYNC, QUERY, PARSE, BIND] = [...'ZSQPB'].map((letter) => letter.charCodeAt(0));

/** Whether Postgres answers with a "ready". @param {Buffer} message */
function isRequest(message) {
  return message[0] === SYNC || message[0] === QUERY;
}

/**
 * Splits a stream into messages. The first message of a client has no type.
 * @param {import('node:net').Socket} socket @param {boolean} greets @returns {AsyncGenerator<Buffer>}
 */
async function* messages(socket, greets) {
  let buffer = Buffer.alloc(0);
  let skip = greets ? 0 : 1;
  try {
    for await (const data of socket) {
      buffer = Buffer.concat([buffer, data]);
      while (buffer.length >= skip + 4 && buffer.length >= skip + buffer.readUInt32BE(skip)) {
        const length = skip + buffer.readUInt32BE(skip);
        yield buffer.subarray(0, length);
        buffer = buffer.subarray(length);
        skip = 1;
      }
    }
  } catch {
    // The connection broke.
  }
}

/**
 * @param {AsyncGenerator<Buffer>} reader @param {Map<string, string>} texts of prepared statements
 * @returns {AsyncGenerator<Unit>}
 */
async function* units(reader, texts) {
  /** @type {Unit} */
  let unit = { statement: undefined, messages: [] };
  let greeting = true;
  for await (const message of reader) {
    unit.messages.push(message);
    if (greeting) {
      greeting = false;
      yield unit;
      unit = { statement: undefined, messages: [] };
      continue;
    }
    if (message[0] === PARSE) texts.set(word(message, 5), word(message, 5 + word(message, 5).length + 1));
    if (message[0] === QUERY) unit.statement = statementOf(word(message, 5), message);
    if (message[0] === BIND)
      unit.statement = statementOf(texts.get(word(message, 5 + word(message, 5).length + 1)) ?? '', message);
    if (isRequest(message) || message[0] === TERMINATE) {
      yield unit;
      unit = { statement: undefined, messages: [] };
    }
  }
}

const TERMINATE = 'X'.charCodeAt(0);

/** @param {string} text @param {Buffer} message with its values @returns {Statement} */
function statementOf(text, message) {
  return { kind: kindOf(text), text, names: namesIn(message.toString('latin1')) };
}

/** Up to the next NUL. @param {Buffer} message @param {number} at */
function word(message, at) {
  return message.toString('utf8', at, message.indexOf(0, at));
}
