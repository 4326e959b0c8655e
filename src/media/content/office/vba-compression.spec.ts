import { decompress } from './vba-compression.js';

describe('decompress', () => {
  it.each([
    [
      'without copies',
      '0119b000616263646566676800696a6b6c6d6e6f70007172737475762e',
      'abcdefghijklmnopqrstuv.',
    ],
    [
      'with copies',
      '012fb000236161616263646582660070616768696a013808616b6c00306d6e6f700671027004107273747576107778797a003c',
      '#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa',
    ],
    ['of one letter', '0103b002614500', 'a'.repeat(73)],
    ['of two chunks', '0103b00261450003b002614500', 'a'.repeat(146)],
  ])('unpacks the example %s', (_, hex, text) => {
    expect(decompress(Buffer.from(hex, 'hex'), 200).toString()).toBe(text);
  });

  it.each([
    ['has no signature', '0003b002614500'],
    ['is cut short', '0103b0026145'],
    ['ends in its header', '0103'],
    ['ends in a token', '0102b0026145'],
    ['has a chunk that is not compressed', '01ff3f61'],
    ['copies from before its start', '0103b002614510'],
    ['is longer than its chunk may be', '0105b00661ff0fff0f'],
    ['is longer than allowed', '0103b002619500'],
    ['is empty', ''],
  ])('throws a RangeError for what %s', (_, hex) => {
    const named = expect.objectContaining({ name: 'RangeError' }) as Error;
    expect(() => decompress(Buffer.from(hex, 'hex'), 150)).toThrow(named);
  });
});
