// @ts-check
import { CHUNK, FORM, form, open, part, stateOf, textOf } from '../client.js';
import { mutateHeader } from '../mutate.js';

/** @typedef {import('../client.js').Client} Client @typedef {import('../../crash/random.js').Random} Random */

const TOTAL = 300;
const STORED = 100;
const TRIES = 16;
/** Exactly what the contract accepts; start, end and total must also follow RFC 9110, 14.4. */
const GRAMMAR = /^bytes (?:(0|[1-9][0-9]*)-(0|[1-9][0-9]*)|\*)\/([1-9][0-9]*)$/;

/**
 * Ranges from a grammar of almost correct ones. Only a correct one may move the upload.
 * @param {Client} client @param {Random} random
 */
export async function contentRange(client, random) {
  const file = textOf(client, TOTAL);
  const id = await open(client, file, STORED);
  let before = await stateOf(client, id);
  for (let left = TRIES; left > 0; left--) {
    const text = rangeOf(random);
    const values = random.between(0, 19) === 0 ? [text, rangeOf(random)] : [text];
    const reply = await client.send({
      method: 'POST',
      target: CHUNK,
      headers: [FORM, ...values.map((value) => /** @type {const} */ (['Content-Range', value]))],
      body: form([part('upload_id', id), part('image', file.subarray(STORED, STORED + 100))]),
    });
    const strict = values.length === 1 && GRAMMAR.test(text.replace(/^[ \t]+|[ \t]+$/g, ''));
    if (!strict) client.expect(reply, (status) => status === 400, `Content-Range ${JSON.stringify(values)}`);
    const after = await stateOf(client, id);
    if (reply.status >= 400 && after !== before)
      client.find(`a refused range (${reply.status}) changed ${before} to ${after}`);
    before = after;
  }
}

/** @param {Random} random */
function rangeOf(random) {
  const valid = `bytes ${STORED}-${STORED + 99}/${TOTAL}`;
  if (random.between(0, 3) === 0) return mutateHeader(valid, random);
  const unit = random.pick(['bytes', 'bytes', 'bytes', 'Bytes', 'byte', '', 'bytes=', 'items', 'bytes\t']);
  const space = random.pick([' ', ' ', ' ', '', '  ', '\t', '\u00a0']);
  const dash = random.pick(['-', '-', '-', '--', ' - ', '\u2013', ',', '']);
  const slash = random.pick(['/', '/', '/', '//', ' / ', '\\', '']);
  const span = random.pick([
    () => `${number(random)}${dash}${number(random)}`,
    () => `${number(random)}${dash}${number(random)}`,
    () => `${STORED}-${number(random)}`,
    () => '*',
    () => '',
    () => `${STORED}-${STORED + 99},200-299`,
  ])();
  const total = random.pick([String(TOTAL), number(random), '*', '']);
  return Buffer.from(`${unit}${space}${span}${slash}${total}`).toString('latin1');
}

/** @param {Random} random */
function number(random) {
  return random.pick([
    String(STORED),
    String(STORED + 99),
    String(random.between(0, 400)),
    '0',
    '00',
    '0100',
    '+100',
    '-100',
    '1e2',
    '1E2',
    '0x64',
    '0b1',
    '100.0',
    '100n',
    '1_00',
    'NaN',
    'Infinity',
    '١٠٠',
    '１００',
    '9007199254740991',
    '9007199254740992',
    '18446744073709551616',
    '9'.repeat(random.between(15, 400)),
    ' 100',
    '',
  ]);
}
