import { createCipheriv } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { sniff } from './sniff.js';

const mime = async (bytes: Buffer | string, fileName: string | null = null, whole = true) => {
  const sniffed = await sniff(Buffer.from(bytes as string), whole, fileName);
  return sniffed.kind === 'accepted' ? sniffed.type.mime : sniffed.kind;
};

describe('sniff', () => {
  it.each([
    ['%PDF-1.4', null, 'application/pdf'],
    ['GIF89a\x01\0\x01\0', null, 'image/gif'],
    ['plain', 'photo.jpg', 'text/plain'],
    ['a;b\n1;2', 'table.CSV', 'text/csv'],
    ['Grüße', null, 'text/plain'],
    ['x', null, 'text/plain'],
    ['\x1b[31mred\x1b[0m', null, 'text/plain'],
    ['a < b', null, 'text/plain'],
    ['BMW sales', null, 'text/plain'],
    ['MZ,Name', null, 'text/plain'],
    ['GIF89a is a format', null, 'text/plain'],
    ['<ada@example.org> wrote', null, 'text/plain'],
    ['<3', null, 'text/plain'],
    ['<img src=x onerror=alert(1)>', null, 'refused'],
    ['</p><script>x', null, 'refused'],
    ['</p>', null, 'text/plain'],
    ['<img src="logo.png">\n# Title', null, 'text/plain'],
    ['<h1 align="center">Title</h1>\n\n- one', null, 'text/plain'],
    ['<!-- a -->\n[x](https://example.org)', null, 'text/plain'],
    ['<a name="top"></a>\n```js\nelement.onclick = "<script>"\n```\n', null, 'text/plain'],
    ['<p>\n\n# JavaScript: a list', null, 'text/plain'],
    ['<p>[x](javascript:alert)', null, 'refused'],
    ['<p>\n#hashtag, -1 or a[0](x y)', null, 'refused'],
    ['<p>\n%PDF-1.4\n# Title', null, 'refused'],
    ['<p>\n# Title\n%PDF-1.4', null, 'refused'],
    ['<alice> hi, is on=1 ok? <script>', null, 'text/plain'],
    ['<x:svg xmlns:x="http://www.w3.org/2000/svg"/>', null, 'refused'],
    ['<!DOCTYPE svg PUBLIC "">', null, 'refused'],
    ['<% response %>', null, 'refused'],
    ['RIFF abcWEBP are words', null, 'text/plain'],
    ['A PDF begins with %PDF-1.4', null, 'text/plain'],
    ['GPL Ghostscript\n%PDF-1.4', null, 'application/pdf'],
    ['<script>\n%PDF-1.4', null, 'refused'],
    ['<?= 1 ?>', null, 'refused'],
    ['\uFEFF%PDF-1.4', null, 'application/pdf'],
    ['RIFF\0\0\0\0WAVE', null, 'refused'],
    ['{\\rtf1 x}', null, 'refused'],
    ['\uFEFF  <!-- x', null, 'refused'],
    ['<SCRIPT>x', null, 'refused'],
    ['<?xml version="1.0"?><a/>', null, 'refused'],
    ['a\0b', null, 'refused'],
  ])('%j (%s) is %s', async (text, fileName, expected) => {
    expect(await mime(text, fileName)).toBe(expected);
  });

  it('waits while too few bytes are there to tell', async () => {
    expect(await mime('PK\x03\x04', null, false)).toBe('undecided');
    expect(await mime('M', null, false)).toBe('undecided');
    expect(await mime('<p align="center">', null, false)).toBe('undecided');
    expect(await mime('<p onclick=x>', null, false)).toBe('refused');
  });

  it('does not stumble over a character that a chunk cuts in two', async () => {
    const text = Buffer.from('ü'.repeat(4000));
    expect(await mime(text.subarray(0, 5001), null, false)).toBe('text/plain');
  });

  it('is done with a hostile head in no time', async () => {
    const starts = [
      gzipSync(gzipSync(Buffer.alloc(100_000_000))),
      gzipSync(Buffer.alloc(50_000_000)),
      ...[
        'ID3\x04\0\0\0\0\0\0',
        '\x1aE\xdf\xa3',
        'II*\0\x08\0\0\0',
        'OggS',
        '\0\0\0\x18ftypisom',
        '\xff\xfb',
        'BZh',
      ],
      ...['PK\x03\x04', '\xef\xbb\xbf'.repeat(1000), 'ID3\x04\0\0\0\0\0\0'.repeat(400), '<'.repeat(9000)],
      ...['<!--', '`', '[', '[a](', ' on', '- ', '1', '=', '```'].map(
        (part) => `<p>\n# a\n${part.repeat(60_000)}`,
      ),
      Buffer.from('3026b2758e66cf11a6d900aa0062ce6c', 'hex'),
    ].map((start) => Buffer.from(start as string, 'latin1'));
    const fills = [
      Buffer.alloc(204_800),
      Buffer.alloc(204_800, 0xff),
      Buffer.alloc(204_800, ' '),
      random(204_800),
    ];
    const heads = starts.flatMap((start) =>
      fills.map((fill) => Buffer.concat([start, fill]).subarray(0, 204_800)),
    );
    for (const head of heads) expect(await untilQuick(() => sniff(head, false, null), 100)).toBeLessThan(100);
  });
});

function random(length: number): Buffer {
  return createCipheriv('aes-256-ctr', Buffer.alloc(32), Buffer.alloc(16)).update(Buffer.alloc(length));
}

/**
 * The CPU time of the last run, in ms: the first one below the limit, or the tenth. Others share the machine, and one
 * of them can slow down several runs in a row; what takes too long by itself does so every time.
 */
async function untilQuick(work: () => Promise<unknown>, limit: number): Promise<number> {
  let ms = Infinity;
  for (let run = 0; run < 10 && ms >= limit; run++) {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    ms = (user + system) / 1000;
  }
  return ms;
}
