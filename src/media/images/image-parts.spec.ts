import fc from 'fast-check';
import { dissect } from './image-parts.js';
import { orientationOf } from './orientation.js';

const jpeg = (...parts: string[]) => Buffer.from(`ffd8${parts.join('')}ffda0002aaff00bbffd0ccffd9`, 'hex');
const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const length = (bytes: number) => (bytes + 2).toString(16).padStart(4, '0');
const segment = (marker: string, text: string) => `ff${marker}${length(text.length)}${hex(text)}`;

describe('dissect', () => {
  it('gives the very buffer back when there is nothing but picture', () => {
    const icc = segment('e2', 'ICC_PROFILE\0\x01\x01profile');
    const image = jpeg(segment('e0', 'JFIF\0\x01\x02\0\0\x01\0\x01\0\0'), icc, segment('ee', 'Adobe\0'));
    expect(dissect(image).picture).toBe(image);
  });

  it.each([
    ['EXIF', segment('e1', 'Exif\0\0II*\0')],
    ['XMP', segment('e1', 'http://ns.adobe.com/xap/1.0/\0<x/>')],
    ['a preview in the JFIF head', segment('e0', 'JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01rgb')],
    ['where more pictures follow', segment('e2', 'MPF\0')],
    ['what nobody has heard of', segment('e9', 'secret')],
    ['bytes between segments', '000000'],
  ])('cuts %s out of a JPEG, and what follows its end', (_, part) => {
    const image = jpeg(part);
    for (const dirty of [image, Buffer.concat([image, Buffer.from('film')])]) {
      expect(dissect(dirty).picture.toString('hex')).toBe(jpeg().toString('hex'));
    }
  });

  it.each([
    '',
    'ffd8',
    'ffd8ff',
    'ffd8ffe1',
    'ffd8ffe10000',
    'ffd8ffe1ffff00',
    'ffd8ffda0002aa',
    'ffd8ffda0002aaff',
  ])('refuses the stump %s', (stump) => {
    expect(() => dissect(Buffer.from(stump, 'hex'))).toThrow(/cut short|out of range|known format/);
  });

  it('finds the end of a scan wherever it lies in memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 7 }), (pixels, shift) => {
        const code = Buffer.from(pixels)
          .toString('hex')
          .replace(/(?<=^(?:..)*)ff/g, 'ff00');
        const image = Buffer.from(`ffd8ffc00002ffda0002${code}ffd9`, 'hex');
        const moved = Buffer.concat([Buffer.alloc(shift, 0xff), image, Buffer.from('film')]).subarray(shift);
        expect(dissect(moved)).toMatchObject({ end: image.length, hasEnd: true });
      }),
    );
  });

  it('gives up on more parts than any image has', () => {
    const image = Buffer.from(`ffd8${'fffe0002'.repeat(30_000)}ffd9`, 'hex');
    expect(() => dissect(image)).toThrow('More than 20000 parts');
  });
});

describe('orientationOf', () => {
  const little = (value: number) => `49492a0008000000010012010300010000000${value}000000`;
  const exif = (text: string) =>
    Buffer.concat([Buffer.from('\xff\xe1\0\0Exif\0\0', 'latin1'), Buffer.from(text, 'hex')]);

  it.each([
    [little(6), 6],
    ['4d4d002a0000000800010112000300000001000800000000', 8],
    [little(9), 1],
    [little(0), 1],
    ['49492a00ffffff7f', 1],
    ['49492a00', 1],
    ['', 1],
  ])('of %s is %i', (text, orientation) => {
    expect(orientationOf(exif(text))).toBe(orientation);
  });

  it('is 1 without EXIF', () => {
    expect(orientationOf(undefined)).toBe(1);
  });
});
