// @ts-check
import { CHUNK } from '../client.js';
import { mutate } from '../mutate.js';

/** @typedef {import('../client.js').Client} Client @typedef {import('../../crash/random.js').Random} Random */

const TRIES = 4;
/** Follows each smuggling attempt. A response to it would show that two readers see different requests. */
const HIDDEN = 'GET /health/live HTTP/1.1\r\nHost: hidden\r\n\r\n';

/** Bytes that are not quite HTTP. @param {Client} client @param {Random} random */
export async function raw(client, random) {
  for (let left = TRIES; left > 0; left--) {
    const { text, most } = random.pick([line, headers, framing, framing, mutant])(client, random);
    const bytes = Buffer.from(text, 'latin1');
    const at = random.between(0, bytes.length);
    const pieces = random.between(0, 3) === 0 ? [bytes.subarray(0, at), bytes.subarray(at)] : [bytes];
    await client.shout(pieces, most);
  }
}

/** @param {Client} _client @param {Random} random */
function line(_client, random) {
  const method = random.pick([
    'GET',
    'get',
    'POST',
    'TRACE',
    'CONNECT',
    'PRI',
    'BREW',
    'G\0T',
    'x'.repeat(2000),
    'OPTIONS',
    'PROPFIND',
  ]);
  const target = random.pick([
    '/',
    '*',
    '',
    '//',
    'http://another/api/v2/media/',
    'another:443',
    '/%',
    '/%00',
    '/%ff%fe',
    '/api/v2/media/%2e%2e/%2e%2e/etc/passwd',
    '/files/..%2f..%2fjwt-secret',
    '/files/../../jwt-secret',
    `/${'x'.repeat(random.pick([2000, 8000, 16_000, 70_000]))}`,
    `/api/v2/media/?${'a=1&'.repeat(random.pick([100, 1500]))}`,
    '/api/v2/media/?a[b][c][d][e][f][g]=1&__proto__[x]=1&constructor.prototype=2',
    '/api/v2/media/upload/%u0041/',
    '/a b',
    '/\x80\xff',
    '/api/v2/media/1/click/#x',
  ]);
  const version = random.pick([
    'HTTP/1.1',
    'HTTP/1.1',
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    'HTTP/1.11',
    'HTP/1.1',
    '',
  ]);
  const space = random.pick([' ', ' ', ' ', '\t', '  ', '']);
  const end = random.pick(['\r\n', '\r\n', '\n', '\r', '']);
  return { text: `${method}${space}${target}${space}${version}${end}Host: x${end}${end}`, most: 1 };
}

/** @param {Client} client @param {Random} random */
function headers({ token }, random) {
  const shape = random.pick([
    () => '',
    () => 'Host: x\r\nHost: y\r\n',
    () =>
      `Host: x\r\n${Array.from({ length: random.pick([99, 100, 101, 500, 3000]) }, (_, at) => `X-${at}: y\r\n`).join('')}`,
    () => `Host: x\r\nX: ${'y'.repeat(random.pick([8000, 16_000, 17_000, 100_000]))}\r\n`,
    () => `Host: x\r\n${'X'.repeat(random.pick([300, 20_000]))}: y\r\n`,
    () => 'Host: x\r\nExpect: 200-ok\r\n',
    () => 'Host: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n',
    () => 'Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n',
    () => 'Host: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n',
    () => 'Host: x\r\nConnection: close, keep-alive, x\r\n',
    () => 'Host: x\r\n folded: y\r\n',
    () => 'Host: x\r\nX : y\r\n',
    () => 'Host: x\r\n: y\r\n',
    () => 'Host: x\r\nX\r\n',
    () => 'Host: x\r\nX: \0\r\n',
    () => 'Host: x\r\n__proto__: y\r\nconstructor: z\r\n',
    () => `Host: x\r\nAuthorization: Bearer ${token}\r\nAuthorization: Bearer ${token}\r\n`,
    () => `Host: ${random.pick(['', ' ', 'a b', 'x\\y', '[::1', 'x:99999', '\xff', '"<script>'])}\r\n`,
    () => 'Host: x\r\nX-Forwarded-For: \0,,,,\r\nX-Forwarded-Proto: https\r\nForwarded: for="\r\n',
    () => 'Host: x\r\nRange: bytes=0-0,1-1,-1\r\nIf-Range: "x"\r\nIf-None-Match: W/"\r\n',
    () =>
      'Host: x\r\nOrigin: null\r\nAccess-Control-Request-Method: x\r\nAccess-Control-Request-Headers: \xff\r\n',
    () => `Host: x\r\nAccept-Encoding: ${'gzip;q=0.1,'.repeat(900)}\r\n`,
  ])();
  const [method, path] = random.pick([
    ['GET', '/api/v2/media/'],
    ['OPTIONS', CHUNK],
    ['GET', '/health/live'],
    ['GET', '/files/3f786850e387550fdab836ed7e6dc881.png'],
    ['POST', CHUNK],
    ['GET', '/api/docs'],
    ['DELETE', '/api/v2/media/1/'],
  ]);
  return { text: `${method} ${path} HTTP/1.1\r\n${shape}\r\n`, most: 1 };
}

/**
 * Lengths and transfer codings that two readers could interpret differently.
 * @param {Client} client @param {Random} random
 */
function framing({ token }, random) {
  const framed = random.pick([
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
    'Transfer-Encoding: identity\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding: gzip, chunked\r\n',
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding : chunked\r\n',
    'Transfer-Encoding:\tchunked\r\n',
    'Transfer-Encoding: \x0bchunked\r\n',
    'Transfer-Encoding: "chunked"\r\n',
    'X: y\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding:\r\n chunked\r\n',
    'Content-Length: 4\r\nContent-Length: 5\r\n',
    'Content-Length: 4, 4\r\n',
    'Content-Length: +4\r\n',
    'Content-Length: -1\r\n',
    'Content-Length: 0x4\r\n',
    'Content-Length: 4e0\r\n',
    'Content-Length: 18446744073709551617\r\n',
    'Content-Length: \r\n',
    'Content-Length: 1000000\r\n',
    'Content-Encoding: gzip\r\nContent-Length: 4\r\n',
    'Transfer-Encoding: chunked\r\n',
  ]);
  const body = random.pick([
    '0\r\n\r\n',
    '4\r\nabcd\r\n0\r\n\r\n',
    '4;x="\r\n"\r\nabcd\r\n0\r\n\r\n',
    `4;${'x'.repeat(20_000)}\r\nabcd\r\n0\r\n\r\n`,
    'ffffffffffffffff\r\nabcd',
    '-1\r\n\r\n',
    '0x4\r\nabcd\r\n0\r\n\r\n',
    '4\nabcd\n0\n\n',
    '4\r\nabcdX\r\n0\r\n\r\n',
    `0\r\n${'X: y\r\n'.repeat(random.pick([1, 5000]))}\r\n`,
    'abcd',
    '',
  ]);
  const signed = random.between(0, 1) === 1 ? `Authorization: Bearer ${token}\r\n` : '';
  const path = random.pick([CHUNK, '/api/v2/media/upload/complete/', '/api/v2/media/1/click/']);
  return {
    // This asks for an offset without an upload, so the body is read but no upload is opened.
    text: `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Range: bytes */4\r\n${signed}${framed}\r\n${body}${HIDDEN}`,
    // If the length or coding is correct, the hidden request is a legitimate one.
    most: 2,
  };
}

/** @param {Client} client @param {Random} random */
function mutant({ token }, random) {
  const text = `PATCH /api/v2/media/1/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"title":"x"}`;
  return { text: mutate(Buffer.from(text), random).toString('latin1'), most: 3 };
}
