import { Client, md5, type ChunkOptions } from './setup/client.js';
import { noise, pdf, png } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

/** Uploads and completes; the answer, and the file as anybody gets it. */
async function publish(file: Buffer, fileName: string) {
  const id = await client.upload(file, { fileName });
  const { status, body } = await client.complete(id, md5(file));
  if (status !== 201) throw new Error(`${status}: ${JSON.stringify(body)}`);
  const response = await fetch(body.url);
  return { body, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

/** By hand: what writes it in Node has no other charsets. */
const RUSSIAN = 'cff0e8e2e5f22c20eae0ea20e4e5ebe03f0d0a';
const HEBREW = 'f9ece5ed20f2e5eced2c20f7e1f6e9ed20e5e4f2ece0e5fa0a';
const JAPANESE = '82b182ea82cd93fa967b8cea82c582b781420a';

/** It begins as those of many packages do. */
const README =
  '<p align="center">\n  <img src="logo.png">\n</p>\n\n# Title\n\n[![build](badge.svg)](https://example.org)\n';

describe('a text', () => {
  it.each<[string, Buffer, string, string, string]>([
    [
      'of Excel in German',
      latin1('Name;Gr\xf6\xdfe;\x80\r\n'.repeat(900)),
      'a.csv',
      'text/csv',
      'windows-1252',
    ],
    ['of few bytes in Latin-1', latin1('a,b\n1,\xa9'), 'a.csv', 'text/csv', 'windows-1252'],
    [
      'that is ASCII to its last line',
      latin1(`${'a;b\n'.repeat(90_000)}M\xfcnchen`),
      'a.txt',
      'text/plain',
      'windows-1252',
    ],
    ['in Russian', Buffer.from(RUSSIAN.repeat(50), 'hex'), 'a.csv', 'text/csv', 'windows-1251'],
    ['in Japanese', Buffer.from(JAPANESE.repeat(50), 'hex'), 'a.csv', 'text/csv', 'shift_jis'],
    ['in Hebrew', Buffer.from(HEBREW.repeat(50), 'hex'), 'a.txt', 'text/plain', 'windows-1255'],
    ['of Excel in Unicode', Buffer.from('\ufeffa\tb\n1\tʤ', 'utf16le'), 'a.csv', 'text/csv', 'utf-16le'],
    [
      'in UTF-16 of many chunks',
      Buffer.from(`\ufeff${'größer\n'.repeat(40_000)}`, 'utf16le'),
      'a.txt',
      'text/plain',
      'utf-16le',
    ],
    ['in UTF-16 of the other order', utf16be('\ufeffa,b\n1,€'), 'a.csv', 'text/csv', 'utf-16be'],
    ['in UTF-8 with a mark', Buffer.from('\ufeffa,ü'), 'a.csv', 'text/csv', 'utf-8'],
    ['in ASCII', Buffer.from('a,b\n1,2\n'), 'a.csv', 'text/csv', 'utf-8'],
    ['of DOS, with its end', Buffer.from('REPORT\r\n\x1a'), 'a.txt', 'text/plain', 'utf-8'],
    ['of DOS, with its end, in Latin-1', latin1('Stra\xdfe\r\n\x1a'), 'a.txt', 'text/plain', 'windows-1252'],
    [
      'with a vertical tab and a form feed',
      Buffer.from('" \t\n\x0b\x0c\r ",b\n'),
      'a.csv',
      'text/csv',
      'utf-8',
    ],
    [
      'of a chat, with colours',
      Buffer.from('<alice> hi \x0304there, all of you\x0f\n'),
      'a.log',
      'text/plain',
      'utf-8',
    ],
    ['of a chat', Buffer.from('<alice> hi\n<bob> <b>hello</b>\n'), 'a.txt', 'text/plain', 'utf-8'],
    [
      'in Markdown',
      Buffer.from('<img src="logo.png" width="9">\n\n# Title\n'),
      'a.md',
      'text/plain',
      'utf-8',
    ],
    ['in Markdown, with a logo', Buffer.from(README), 'README.md', 'text/plain', 'utf-8'],
    [
      'in Markdown, with a comment for a program',
      Buffer.from(
        '<!-- lint off -->\n\n# Title\n\n```html\n<script src="a.js"></script>\n```\nSee `<head>`.\n',
      ),
      'a.md',
      'text/plain',
      'utf-8',
    ],
    [
      'in Markdown, of much more',
      Buffer.from(README + 'Words and words.\n'.repeat(20_000)),
      'README.md',
      'text/plain',
      'utf-8',
    ],
    ['with a link', Buffer.from('<https://example.org/> is down'), 'a.txt', 'text/plain', 'utf-8'],
  ])('%s is taken as it is, and its charset told', async (_, file, fileName, mime, charset) => {
    const { body, headers, bytes } = await publish(file, fileName);
    expect([body.mimetype, body.charset]).toEqual([mime, charset]);
    expect(headers.get('content-type')).toBe(`${mime}; charset=${charset}`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-disposition')).toMatch(/^attachment;/);
    expect(headers.get('content-security-policy')).toMatch(/^sandbox;/);
    expect(bytes.equals(file)).toBe(true);
  });

  it.each([
    ['Portuguese, in capitals', 'DESCRI\xc7\xc3O;SITUA\xc7\xc3O\n'],
    ['German, with ß behind ö', 'Gr\xf6\xdfe\n'],
    ['Italian', 'Forl\xec;pi\xf9;cos\xec\n'],
    ['Icelandic', '\xde\xf3r\xf0ur;\xcdsafj\xf6r\xf0ur\n'],
    ['Danish', 'S\xf8ren;\xc6gir;R\xf8dovre\n'],
    ['English', 'It\x92s what you don\x92t know \x96 \x93really\x94\n'],
    ['Finnish', 'P\xe4iv\xe4\xe4\n'],
    ['French', 'Soci\xe9t\xe9\xa0: d\xe9j\xe0 cr\xe9\xe9e\n'],
  ])('of Western Europe is told even if it is short: %s', async (_, text) => {
    for (const count of [1, 20]) {
      const { body } = await publish(latin1(text.repeat(count)), 'a.csv');
      expect(body.charset).toBe('windows-1252');
    }
  });

  it.each([
    ['the heads of columns in Japanese', '8f88979d8be695aa2c8c8f90940a', 1],
    ['rows in Japanese', '8e8196bc2c8be08a7a2c94f58d6c0a936392862c313030302c8dcf0a', 1],
    ['names in Japanese', '8db293a10a97e996d80a8d828bb40a88c993a10a936e95d30a', 10],
    ['a word in Japanese', '82b182f182c982bf82cd0a', 1],
    ['a few rows in Chinese', 'd0d5c3fb2cb5e7bbb00ad5c5c8fd2c3132330ac0eecbc42c3435360a', 1],
    ['a word in Chinese, traditional', 'a4a4a4e52c310a', 5],
    ['a word in Korean', 'c0ccb8a70a', 1],
    [
      'names in Polish',
      '496d69ea3b4e617a7769736b6f3b4d69656a73636f776f9ce60aa3756b61737a3b57699c6e696577736b693ba3f3649f0a',
      20,
    ],
    [
      'Polish',
      '57737a79736379206c75647a696520726f647ab1207369ea20776f6c6e6920692072f3776e6920706f6420777a676cea64656d207377656a20676f646e6fb663690a',
      20,
    ],
    ['Turkish', '41643b536f7961643bde656869720a49fefd6b3b59fd6c64fd7a3bdd7374616e62756c0a', 20],
    ['Russian of DOS', '8fe0a8a2a5e22c20aaa0aa20a4a5aba03f0d0a', 50],
  ])('has no charset rather than a wrong one: %s', async (_, bytes, count) => {
    const file = Buffer.from(bytes.repeat(count), 'hex');
    const published = await publish(file, 'a.csv');
    expect([published.body.mimetype, published.body.charset]).toEqual(['text/csv', undefined]);
    expect(published.headers.get('content-type')).toBe('text/csv');
    expect(published.bytes.equals(file)).toBe(true);
  });

  it.each<[string, Buffer]>([
    ['HTML in UTF-16', Buffer.from('\ufeff<html><script>alert(1)', 'utf16le')],
    ['HTML in Latin-1', latin1('<title>Gr\xf6\xdfe</title>')],
    ['XML in UTF-16', utf16be('\ufeff<?xml version="1.0"?><a/>')],
    ['SVG behind a mark', Buffer.from('\ufeff<svg onload="alert(1)"/>')],
    ['HTML that has a heading', Buffer.from('<div>\n# Title\n<script>alert(1)</script>')],
    ['HTML that has a list', Buffer.from('<p>\n- one\n<img src=x onerror=alert(1)>')],
    ['HTML that has a link', Buffer.from('<table>[a](b)<a href="javascript:alert(1)">')],
    ['HTML that has a fence', Buffer.from('<!-- a -->\n```\nx\n```\n<iframe src="https://example.org">')],
    ['HTML that comments on Markdown', Buffer.from('<!--\n# Title\n- one\n--><p>two')],
    ['HTML without Markdown', Buffer.from(`<p>${'Words and words. '.repeat(500)}`)],
    ['a page that is whole, with a heading', Buffer.from('<!-- a -->\n<html>\n# Title')],
    ['PHP behind a comment', Buffer.from('<!-- a -->\n# Title\n<?php phpinfo();')],
    ['SVG behind a comment', Buffer.from('<!-- a -->\n# Title\n<svg>')],
    ['UTF-16 without a mark', Buffer.from('a,b\n1,2', 'utf16le')],
    ['UTF-16 that ends in the middle', Buffer.from('\ufeffabc', 'utf16le').subarray(0, -1)],
    ['UTF-16 with half a character', Buffer.from('\ufeffa\ud800b', 'utf16le')],
    ['UTF-16 with a NUL', Buffer.from('\ufeffa\0b', 'utf16le')],
    ['UTF-32', Buffer.from('fffe000061000000', 'hex')],
    ['Latin-1 with a control', latin1('Gr\xf6\xdfe\x02')],
    ['nothing but controls', Buffer.from([1, 2, 3, 4, 5, 6])],
    ['a record of a program', Buffer.from('080112056865626c6f1803', 'hex')],
    ['an MP3', Buffer.concat([Buffer.from('fffe9044', 'hex'), noise(20_000)])],
    ['noise', noise(3000)],
    ['a byte, repeated', Buffer.alloc(300, 0x80)],
  ])('is not %s', async (_, file) => {
    const { status, body } = await client.slice(file, 0, file.length, undefined, { fileName: 'a.csv' });
    expect([status, body.code]).toEqual([415, 'unsupported-content']);
  });

  it('in Markdown is told by later chunks, if the first one has nothing but tags', async () => {
    const file = Buffer.from(README);
    const { status, body } = await client.slice(file, 0, 20);
    expect([status, (await client.slice(file, 20, file.length, body.upload_id)).status]).toEqual([201, 201]);
    expect((await client.complete(body.upload_id, md5(file))).body.mimetype).toBe('text/plain');
    const page = Buffer.from('<p align="center">Hello</p><script>alert(1)</script>');
    const { body: begun } = await client.slice(page, 0, 20);
    expect((await client.slice(page, 20, page.length, begun.upload_id)).body.detected).toBe('text/html');
  });

  it('is told by its last byte, too', async () => {
    const file = latin1(`${'Gr\xf6\xdfe\n'.repeat(60_000)}\x01`);
    const { status } = await client.complete(await client.upload(file), md5(file));
    expect(status).toBe(415);
  });
});

describe('a PDF', () => {
  const ticket = '%%START\r\n%%JOB: 1\r\n'.repeat(30);

  it.each<[string, string]>([
    ['a byte order mark', '\xef\xbb\xbf'],
    ['line ends', '\r\n\n'],
    ['a banner', 'GPL Ghostscript 9.5: some warning\n'],
    ['a print ticket', ticket],
    ['a command of a printer', '\x1b%-12345X@PJL ENTER LANGUAGE=PDF \r\n'],
    ['text in its line', 'some mail program: '],
    ['1,024 bytes', '\n'.repeat(1024)],
  ])('behind %s is one', async (_, before) => {
    const file = Buffer.concat([latin1(before), pdf(9000)]);
    const { body, bytes } = await publish(file, 'a.pdf');
    expect(body.mimetype).toBe('application/pdf');
    expect(bytes.equals(file)).toBe(true);
    const { body: small } = await client.slice(file, 0, Math.min(300, before.length + 2));
    const second = await client.slice(file, Number(small.offset), file.length, small.upload_id);
    expect(second.status).toBe(201);
    expect((await client.complete(small.upload_id, md5(file))).body.mimetype).toBe('application/pdf');
  });

  it.each<[string, string]>([
    ['HTML', '<html>\n'],
    ['a NUL', 'alert(1)//\0\n'],
    ['more than 1,024 bytes', '\n'.repeat(1025)],
  ])('behind %s is none', async (_, before) => {
    const file = Buffer.concat([latin1(before), pdf(9000)]);
    expect((await client.slice(file, 0, file.length)).status).toBe(415);
  });
});

describe('a refusal', () => {
  it.each<[string, Buffer, string]>([
    ['what it is', Buffer.from('<!DOCTYPE html>'), 'HTML files are not accepted'],
    ['that it is unknown', noise(500), "The server can't tell what kind of file this is"],
  ])('says %s, and what is accepted', async (_, file, words) => {
    const { body } = await client.slice(file, 0, file.length);
    expect(body.detail).toBe(
      `${words}. Accepted are JPG, PNG, GIF, WEBP, PDF, DOC, XLS, PPT, DOCX, XLSX, PPTX, ODT, ODS, ODP, TXT, CSV`,
    );
  });

  it('says a limit as file managers do', async () => {
    const first = (file: Buffer, total: number) =>
      client.chunk(file, { range: `0-${file.length - 1}/${total}` });
    const { body: image } = await first(await png(60, 60), 5_242_881);
    expect(image.detail).toBe('The image is too large: images may be up to 5 MB');
    const { body: document } = await first(pdf(300), 52_428_801);
    expect(document.detail).toBe('The document is too large: documents may be up to 50 MB');
  });

  it.each<[string, ChunkOptions]>([
    ['of one request', { range: null, fileName: 'a.txt' }],
    ['of a question', { range: '*/0' }],
    ['of a range', { range: '0--1/0' }],
  ])('says that the file %s is empty', async (_, options) => {
    const { status, body } = await client.chunk(Buffer.alloc(0), options);
    expect([status, body.detail]).toEqual([400, 'The file is empty']);
  });
});
