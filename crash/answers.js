// @ts-check
import { kindOf } from './statements.js';
import { descriptorOf, openFlags } from './trace.js';

const SENDS = /^(write|writev|sendto|sendmsg)$/;
const RECEIVES = /^(read|recvfrom|recvmsg)$/;

/** @typedef {import('./trace.js').Call} Call */

/** The calls that led to one answer. */
export class Answer {
  /**
   * @param {readonly Call[]} calls the last of them sends the answer
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

  /** Syncs of that very file or directory that succeeded. @param {string} path */
  syncs(path) {
    return this.all(/^f(data)?sync$/, `<${path}>`).filter(({ text }) => /= 0$/.test(text));
  }

  /** @param {string} directory */
  writes(directory) {
    return this.all(/^p?writev?(64)?$/, `<${directory}/`);
  }

  /** Files that came to be. @param {string} directory */
  creations(directory) {
    return this.all(/^openat$/, new RegExp(`"${directory}/[^"]*", O_[\\w|]*O_CREAT[\\w|]*.* = \\d`));
  }

  /** @param {import('./statements.js').Kind} kind */
  statement(kind) {
    return this.statements.find((statement) => statement.kind === kind);
  }

  /** What Postgres said to a statement, `UPDATE 1` for one. @param {Statement | undefined} statement @param {string} tag */
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
   * When the bytes of a write are on the disk: when it returns, if its file was opened to sync by itself, else when a
   * sync that began afterwards returns. @param {Call} write
   */
  durable(write) {
    if (/\bO_D?SYNC\b/.test(this.flags.get(write) ?? '')) return write;
    return this.syncs(pathOf(write)).find(({ begun }) => begun > write.ended);
  }
}

/** @typedef {{ call: Call, kind: import('./statements.js').Kind, text: string }} Statement */

/** @param {Call} call @param {ReadonlyMap<string, string>} texts @returns {Statement[]} */
function sent(call, texts) {
  // A statement that is only parsed here is executed in the same call.
  const found = call.text.matchAll(/(mediadock_\d+)\\0\\0|(BEGIN|COMMIT)\\0/g);
  return [...found].map(([, name, word]) => {
    const text = word ?? texts.get(`${call.process} ${name}`) ?? 'unknown';
    return { call, text, kind: kindOf(text) };
  });
}

/** @param {readonly Call[]} calls the whole log: files and statements are opened once and used by later answers too */
export function split(calls) {
  const [flags, texts] = [openFlags(calls), statementTexts(calls)];
  const ends = calls.flatMap(({ name, text }, at) =>
    SENDS.test(name) && /HTTP\/1\.1 \d{3} /.test(text) ? [at + 1] : [],
  );
  return ends.map((end, index) => new Answer(calls.slice(ends[index - 1] ?? 0, end), flags, texts));
}

/** A prepared statement shows its text once for each connection, and then its name alone. @param {readonly Call[]} calls */
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

/** The file that a call works on. @param {Call | undefined} call */
export function pathOf(call) {
  return /<([^>]*)>/.exec(call?.text ?? '')?.[1] ?? '';
}
