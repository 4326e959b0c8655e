// @ts-check
import { BOUNDARY, CHUNK, COMPLETE, FORM, form, open, part, range, stateOf, textOf } from '../client.js';
import { mutate, mutateHeader } from '../mutate.js';

/** @typedef {import('../client.js').Client} Client @typedef {import('../../crash/random.js').Random} Random */

const TOTAL = 400;
const STORED = 150;
const SENT = 100;
const MUTANTS = 12;

/**
 * Malformed second chunks of an upload. Each is either stored completely, or refused without any change.
 * @param {Client} client @param {Random} random
 */
export async function multipart(client, random) {
  if (random.between(0, 2) === 0) return await complete(client, random);
  const file = textOf(client, TOTAL);
  const id = await open(client, file, STORED);
  let before = await stateOf(client, id);
  for (let left = MUTANTS; left > 0; left--) {
    const { status } = await client.send({
      method: 'POST',
      target: CHUNK,
      headers: [[...FORM], range(STORED, SENT, TOTAL)].map(([name = '', value = '']) => [
        name,
        random.between(0, 9) === 0 ? mutateHeader(value, random) : value,
      ]),
      body: bodyOf(id, file, random),
    });
    const after = await stateOf(client, id);
    if (status >= 400 && status !== 415 && after !== before)
      client.find(`a refused chunk (${status}) changed ${before} to ${after}`);
    before = after;
  }
}

/** @param {string} id @param {Buffer} file @param {Random} random */
function bodyOf(id, file, random) {
  const bytes = file.subarray(STORED, STORED + SENT);
  const file_ = part(random.pick(['image', 'document', 'file']), bytes, '; filename="a.txt"');
  const valid = [
    part('upload_id', id),
    part('expires', '2031-01-01T00:00:00Z'),
    part('offset', `${STORED}`),
    file_,
  ];
  return random.pick([
    () => mutate(form(valid), random),
    () => mutate(form(valid), random),
    () => mutate(form(valid), random),
    () => form([...valid, random.pick(valid)]),
    () => form([...valid, ...many(random.between(1, 40), random)]),
    () => form([part('upload_id', id), part('image', bytes, `; filename="${name(random)}"`)]),
    () => form([part('upload_id', id), part('image', bytes, `; filename*=${name(random)}`)]),
    () => form([part(name(random), id), part(name(random), bytes)]),
    () => form([part('upload_id', name(random)), file_]),
    () => form([part('upload_id', id), nested(bytes)]),
    () =>
      form([
        part('upload_id', id),
        part('image', bytes.toString('base64'), '\r\nContent-Transfer-Encoding: base64'),
      ]),
    () =>
      form([
        part('upload_id', id),
        part('image', bytes, `\r\nX-Long: ${'x'.repeat(random.between(1, 9000))}`),
      ]),
    () =>
      form([
        part('upload_id', id),
        part('image', Buffer.concat([bytes, Buffer.alloc(random.between(0, 2), 97)])),
      ]),
    () => Buffer.concat([mutate(Buffer.from('preamble\r\n'), random), form(valid)]),
    () =>
      form([
        part('upload_id', id),
        part('image', Buffer.alloc(random.pick([0, 1, 99, 204_800, 204_801, 250_000]), 97)),
      ]),
  ])();
}

/** @param {number} count @param {Random} random */
function many(count, random) {
  return Array.from({ length: count }, (_, index) =>
    part(random.pick([`x${index}`, `a[${index}]`, 'x']), 'y'),
  );
}

/** @param {Buffer} bytes */
function nested(bytes) {
  const inner = form([part('image', bytes, '; filename="in.txt"')]);
  return part('image', inner, `; filename="out"\r\nContent-Type: multipart/mixed; boundary=${BOUNDARY}`);
}

/** @param {Random} random */
function name(random) {
  return random.pick([
    '',
    ' ',
    '..',
    '../../../etc/passwd',
    'a\0b',
    'a%00b.txt',
    '%22%0d%0a',
    'x'.repeat(random.between(1, 5000)),
    '\u202etxt.exe',
    '🦆'.repeat(random.between(1, 300)),
    "UTF-8''%E2%82%AC",
    "UTF-8''%C3%28",
    "utf-8'en'%",
    "''",
    '__proto__',
    'constructor',
    'image[]',
    'image[0][x]',
    'toString',
    'upload_id',
    'image',
    mutate(Buffer.from('image.txt'), random)
      .toString('latin1')
      .replace(/["\r\n]/g, '_'),
  ]);
}

/** The same for forms without a file. @param {Client} client @param {Random} random */
async function complete(client, random) {
  const file = textOf(client, SENT);
  const id = await open(client, file);
  const before = await stateOf(client, id);
  for (let left = MUTANTS; left > 0; left--) {
    const wrong = form([part('upload_id', id), part('md5', '0'.repeat(32)), part('type', name(random))]);
    const reply = await client.send({
      method: 'POST',
      target: COMPLETE,
      headers: [FORM],
      body: random.between(0, 4) === 0 ? wrong : mutate(wrong, random),
    });
    client.expect(reply, (status) => status >= 400, 'a completion with the wrong md5');
  }
  if ((await stateOf(client, id)) !== before) client.find('refused completions changed the upload');
}
