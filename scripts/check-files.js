// @ts-check
// `node scripts/check-files.js DIRECTORY`: uploads every file in a directory to the server at MEDIADOCK_URL, with the
// token MEDIADOCK_TOKEN, and prints the responses. If the directory has a README.md, its table says what to expect: the
// first column has the file name, the last one the response ("201 text/csv, charset utf-16le" or "415, detail says
// macros"). The script fails if a response differs.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const CHUNK_BYTES = 204_800;
const { MEDIADOCK_URL: server = 'http://localhost:3000', MEDIADOCK_TOKEN: token = '' } = process.env;
const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('Usage: node scripts/check-files.js DIRECTORY');

const wanted = await wishes(join(directory, 'README.md'));
let different = 0;
for (const name of (await readdir(directory)).sort()) {
  if (name === 'README.md') continue;
  const answer = await upload(name, await readFile(join(directory, name)));
  const wish = wanted.get(name);
  const isRight = wish === undefined || fits(answer, wish);
  if (!isRight) different++;
  const { status, mimetype, charset, detail } = answer;
  const words = [status, mimetype, charset, detail].filter((word) => word !== undefined).join(' ');
  console.log(`${isRight ? 'ok ' : 'NOT'} ${name}: ${words}${isRight ? '' : ` (expected: ${wish})`}`);
}
console.log(`${different} differ`);
process.exitCode = different > 0 ? 1 : 0;

/** @typedef {{ status: number, mimetype?: string, charset?: string, detail?: string, upload_id?: string }} Answer */

/** @param {string} path @returns {Promise<Map<string, string>>} by file */
async function wishes(path) {
  const text = await readFile(path, 'utf8').catch(() => '');
  const rows = text.matchAll(/^\| `([^`]+)` \|.*\| ([^|]+) \|$/gm);
  return new Map([...rows].map(([, name = '', wish = '']) => [name, wish]));
}

/** @param {Answer} answer @param {string} wish */
function fits({ status, mimetype = '', charset = '', detail = '' }, wish) {
  const word = (/** @type {RegExp} */ pattern) => pattern.exec(wish)?.[1] ?? '';
  const charsets = wish.includes('charset') ? word(/charset (\S*\d\S*)/) || charset || 'some' : charset;
  return (
    String(status) === word(/^(\d{3})/) &&
    mimetype.includes(word(/^\d{3} ([\w./+-]+)/)) &&
    detail.includes(word(/says (?:it is )?(.+)$/)) &&
    charset === charsets
  );
}

/** @param {string} name @param {Buffer} file @returns {Promise<Answer>} */
async function upload(name, file) {
  let id = '';
  for (let start = 0; start < file.length; start += CHUNK_BYTES) {
    const end = Math.min(start + CHUNK_BYTES, file.length);
    const form = new FormData();
    if (id !== '') form.append('upload_id', id);
    form.append('file', new Blob([new Uint8Array(file.subarray(start, end))]), name);
    const range = `bytes ${start}-${end - 1}/${file.length}`;
    const answer = await post('chunk', form, { 'content-range': range });
    if (answer.status !== 201) return answer;
    id = answer.upload_id ?? '';
  }
  const md5 = createHash('md5').update(file).digest('hex');
  return await post('complete', new URLSearchParams({ upload_id: id, md5 }));
}

/** @param {string} step @param {BodyInit} body @param {Record<string, string>} [headers] @returns {Promise<Answer>} */
async function post(step, body, headers = {}) {
  const url = new URL(`/api/v2/media/upload/${step}/`, server);
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  return { ...(await response.json()), status: response.status };
}
