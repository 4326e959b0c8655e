// @ts-check
import { kindOf } from './statements.js';
import { descriptorOf, openFlags } from './trace.js';

const SENDS = /^(write|writev|sendto|sendmsg)$/;
const RECEIVES = /^(read|recvfrom|recvmsg)$/;

/** @typedef {import('./trace.js').Call} Call */

/** The system calls that led to one response. */
export class Answer {
  /**
   * @param {readonly Call[]} calls the last one sends the response
   * @param {ReadonlyMap<Call, string>} flags with which their files were opened
   * @param {ReadonlyMap<string, string>} texts of prepared statements
   */
  constructor(calls, flags, texts) {
    this.calls = calls;
    this.flags = flags;
    this.statements = calls.filter(({ name }) => SENDS.test(name)).flatMap((call) => sent(call, texts));
  }

  get last() {
    return this.calls.at(-1);
  }

  get status() {
    return Number(/HTTP\/1\.1 (\d{3}) /.exec(this.last?.text ?? '')?.[1]);
  }

  /** @param {RegExp} name @param {string | RegExp} text */
  all(name, text) {
    return this.calls.filter(
      (call) =>
        name.test(call.name) && (typeof text === 'string' ? call.text.includes(text) : text.test(call.text)),
    );
  }

  /** Successful syncs of that file or directory. @param {string} path */
  syncs(path) {
    return this.all(/^f(data)?sync$/, `<${path}>`).filter(({ text }) => /= 0$/.test(text));
  }

  /** @param {string} directory */
  writes(directory) {
    return this.all(/^p?writev?(64)?$/, `<${directory}/`);
  }

  /** Files that were created. @param {string} directory */
  creations(directory) {
    return this.all(/^openat$/, new RegExp(`"${directory}/[^"]*", O_[\\w|]*O_CREAT[\\w|]*.* = \\d`));
  }

  /** @param {import('./statements.js').Kind} kind */
  statement(kind) {
    return this.statements.find((statement) => statement.kind === kind);
  }

  /**
   * The reply of Postgres to a statement, such as `UPDATE 1`.
   * @param {Statement | undefined} statement @param {string} tag
   */
  reply(statement, tag) {
    return this.calls.find(
      (call) =>
        statement !== undefined &&
        RECEIVES.test(call.name) &&
        call.begun > statement.call.begun &&
        call.process === statement.call.process &&
        descriptorOf(call) === descriptorOf(statement.call) &&
        call.text.includes(`${tag}\\0`),
    );
  }

  /**
   * When the bytes of a write are on the disk: when the write returns, if its file was opened with O_DSYNC; else when a
   * later sync returns. @param {Call} write
   */
  durable(write) {
    if (/\bO_D?SYNC\b/.test(this.flags.get(write) ?? '')) return write;
    return this.syncs(pathOf(write)).find(({ begun }) => begun > write.ended);
  }
}

/** @typedef {{ call: Call, kind: import('./statements.js').Kind, text: string }} Statement */

/** @param {Call} call @param {ReadonlyMap<string, string>} texts @returns {Statement[]} */
function sent(call, texts) {
  // The same call executes the statement that it parses.
  const found = call.text.matchAll(/(mediadock_\d+)\\0\\0|(BEGIN|COMMIT)\\0/g);
  return [...found].map(([, name, word]) => {
    const text = word ?? texts.get(`${call.process} ${name}`) ?? 'unknown';
    return { call, text, kind: kindOf(text) };
  });
}

/**
 * @param {readonly Call[]} calls the whole log, because later responses use files and statements that are open already
 */
export function split(calls) {
  const [flags, texts] = [openFlags(calls), statementTexts(calls)];
  const ends = calls.flatMap(({ name, text }, at) =>
    SENDS.test(name) && /HTTP\/1\.1 \d{3} /.test(text) ? [at + 1] : [],
  );
  return ends.map((end, index) => new Answer(calls.slice(ends[index - 1] ?? 0, end), flags, texts));
}

/** A prepared statement sends its text once per connection, and later only its name. @param {readonly Call[]} calls */
function statementTexts(calls) {
  const parsed = calls
    .filter(({ name }) => SENDS.test(name))
    .flatMap(({ process, text }) =>
      [...text.matchAll(/(mediadock_\d+)\\0((?:\\n|\s)*[A-Z](?:[^"\\]|\\["n])*)/g)].map(
        ([, name = '', words = '']) => ({ key: `${process} ${name}`, words }),
      ),
    );
  return new Map(
    parsed.map(({ key, words }) => [
      key,
      words
        .replaceAll('\\"', '"')
        .replace(/(\\n|\s)+/g, ' ')
        .trim(),
    ]),
  );
}

/** The file of a call. @param {Call | undefined} call */
export function pathOf(call) {
  return /<([^>]*)>/.exec(call?.text ?? '')?.[1] ?? '';
}
