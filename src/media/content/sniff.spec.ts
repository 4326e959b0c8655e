import { sniff } from './sniff.js';

const mime = async (bytes: Buffer | string, fileName: string | null = null, whole = true) => {
  const sniffed = await sniff(Buffer.from(bytes as string), whole, fileName);
  return sniffed.verdict === 'accepted' ? sniffed.type.mime : sniffed.verdict;
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
    ['{\\rtf1 x}', null, 'refused'],
    ['\uFEFF  <!-- x', null, 'refused'],
    ['<SCRIPT>x', null, 'refused'],
    ['<?xml version="1.0"?><a/>', null, 'refused'],
    ['a\0b', null, 'refused'],
  ])('%j (%s) is %s', async (text, fileName, expected) => {
    expect(await mime(text, fileName)).toBe(expected);
  });

  it('tells the old Office formats apart by name alone', async () => {
    const cfb = Buffer.from('d0cf11e0a1b11ae1'.padEnd(64, '0'), 'hex');
    expect(await Promise.all(['a.xls', 'a.ppt', 'a.doc', null].map((name) => mime(cfb, name)))).toEqual([
      'application/vnd.ms-excel',
      'application/vnd.ms-powerpoint',
      'application/msword',
      'application/msword',
    ]);
  });

  it('waits while too few bytes are there to tell', async () => {
    expect(await mime('PK\x03\x04', null, false)).toBe('undecided');
    expect(await mime('M', null, false)).toBe('undecided');
  });

  it('does not stumble over a character that a chunk cuts in two', async () => {
    const text = Buffer.from('ü'.repeat(4000));
    expect(await mime(text.subarray(0, 5001), null, false)).toBe('text/plain');
    expect(await mime(text.subarray(0, 5001), null, true)).toBe('refused');
  });
});
