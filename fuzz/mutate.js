// @ts-check

/** @typedef {import('../crash/random.js').Random} Random */

/** Bytes that often confuse parsers. */
const SPLINTERS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\0',
  '\r\n--fuzz-boundary-7d1f',
  '--fuzz-boundary-7d1f--\r\n',
  '"',
  '\\"',
  ';',
  '; name="upload_id"',
  "; filename*=UTF-8''%FF%00",
  "; filename*=utf-16'x'%zz",
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Type: multipart/mixed; boundary=fuzz-boundary-7d1f\r\n',
  'Content-Disposition: attachment\r\n',
  ': ',
  '\u202e',
  '\ufeff',
  '../../',
  '%0d%0a',
  '__proto__',
  'constructor',
  '[]',
  'a[b][c]',
  '${7*7}',
  "' OR 1=1 --",
  '9007199254740993',
  '-1',
  '1e308',
  '🦆',
].map((text) => Buffer.from(text));

/** @type {readonly ((bytes: Buffer, random: Random) => Buffer)[]} */
const MUTATIONS = [
  function flip(bytes, random) {
    const changed = Buffer.from(bytes);
    const at = random.between(0, bytes.length - 1);
    changed[at] = (changed[at] ?? 0) ^ (1 << random.between(0, 7));
    return changed;
  },
  function replace(bytes, random) {
    const changed = Buffer.from(bytes);
    changed[random.between(0, bytes.length - 1)] = random.pick([0, 9, 10, 13, 34, 45, 58, 59, 92, 127, 255]);
    return changed;
  },
  function drop(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.between(1, 20))]);
  },
  function double(bytes, random) {
    const at = random.between(0, bytes.length - 1);
    const end = at + random.between(1, 200);
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, random.between(0, bytes.length - 1));
  },
  function insert(bytes, random) {
    const at = random.between(0, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), random.pick(SPLINTERS), bytes.subarray(at)]);
  },
  function append(bytes, random) {
    return Buffer.concat([bytes, random.pick(SPLINTERS)]);
  },
  function swap(bytes, random) {
    const [a = 0, b = 0] = [random.between(0, bytes.length), random.between(0, bytes.length)].sort(
      (one, other) => one - other,
    );
    return Buffer.concat([bytes.subarray(b), bytes.subarray(a, b), bytes.subarray(0, a)]);
  },
];

/** Applies one to three random changes. @param {Buffer} bytes @param {Random} random */
export function mutate(bytes, random) {
  let mutant = bytes;
  for (let left = random.between(1, 3); left > 0 && mutant.length > 0; left--)
    mutant = random.pick(MUTATIONS)(mutant, random);
  return mutant;
}

/** Applies changes that keep the text valid in a header. @param {string} text @param {Random} random */
export function mutateHeader(text, random) {
  return mutate(Buffer.from(text), random)
    .toString('latin1')
    .replace(/\p{Cc}/gu, ' ');
}
