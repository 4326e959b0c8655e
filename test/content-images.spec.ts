import sharp from 'sharp';
import { Client, md5 } from './setup/client.js';
import { afterPngHead, pngChunk } from './setup/images.js';
import { animatedGif, animatedWebp } from './setup/pictures.js';
import { jpeg, noise, pdf, png } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { zip } from './setup/zip.js';

let stripping: Client;
let keeping: Client;
const apps: TestApp[] = [];

beforeAll(async () => {
  apps.push(await TestApp.start(), await TestApp.start({ IMAGE_METADATA: 'keep' }));
  [stripping, keeping] = (await Promise.all(apps.map((app) => Client.of(app)))) as [Client, Client];
});
afterAll(() => Promise.all(apps.map((app) => app.stop())));

const send = async (file: Buffer, client = stripping) => {
  const id = await client.upload(file);
  return await client.complete(id, md5(file));
};

/** The public file of an image that is taken. */
async function published(file: Buffer, client = stripping): Promise<Buffer> {
  const { status, body } = await send(file, client);
  expect([status, body.detail]).toEqual([201, undefined]);
  return Buffer.from(await (await fetch(body.image)).arrayBuffer());
}

const joined = (...parts: (Buffer | string)[]) =>
  Buffer.concat([...parts].map((part) => Buffer.from(part as string, 'latin1')));
const smallJpeg = () => jpeg(40, 30);
const smallPng = () => png(40, 30);

const SCRIPT = '<script>alert(1)</script>';
const IMAGES: [string, () => Promise<Buffer>][] = [
  ['JPEG', smallJpeg],
  ['PNG', smallPng],
  ['GIF', animatedGif],
  ['WebP', animatedWebp],
];
const TAILS: [string, Buffer][] = [
  ['a line end', Buffer.from('\r\n')],
  ['blanks', Buffer.alloc(5000, ' ')],
  ['zeros', Buffer.alloc(512)],
  ['what the disk had there', joined(Buffer.alloc(900), '<html><body>', noise(20_000))],
  ['a script', Buffer.from(SCRIPT)],
  ['PHP', Buffer.from('<?php system($_GET[0]);')],
  ['JavaScript', Buffer.from('*/=1;alert(1)')],
];
const WITH_TAILS = IMAGES.flatMap(([kind, image]) =>
  TAILS.map(([name, tail]): [string, () => Promise<Buffer>, Buffer] => [
    `a ${kind} and ${name}`,
    image,
    tail,
  ]),
);

describe('an image with bytes behind its end', () => {
  it.each(WITH_TAILS)('%s is published without them', async (_, image, tail) => {
    const file = await image();
    expect((await published(joined(file, tail))).equals(file)).toBe(true);
  });

  it('loses the rest of a picture that a program left there', async () => {
    const file = await smallPng();
    const whole = await png(200, 200);
    expect((await published(joined(file, whole.subarray(whole.length / 2)))).equals(file)).toBe(true);
  });

  it('is cut when it is uploaded as a document, too', async () => {
    const file = await smallPng();
    const whole = joined(file, SCRIPT);
    const { body } = await stripping.complete(await stripping.upload(whole), md5(whole), { type: 'doc' });
    expect(Buffer.from(await (await fetch(body.url)).arrayBuffer()).equals(file)).toBe(true);
  });

  it.each(IMAGES)('a %s and blanks keeps them where metadata stays', async (_, image) => {
    const file = joined(await image(), '\0\0 \r\n');
    expect((await published(file, keeping)).equals(file)).toBe(true);
  });

  const MARKUP = 'Markup is hidden in the file';
  const TRAILING = 'There are bytes after the end of the image';

  it.each<[string, () => Promise<Buffer>, Buffer | string, string | null, string]>([
    ['a GIF and JavaScript', animatedGif, '*/=1;alert(1)', null, TRAILING],
    ['a GIF and HTML', animatedGif, SCRIPT, 'text/html', MARKUP],
    ['a WebP and bytes', animatedWebp, noise(10), null, TRAILING],
    ['a PNG and PHP', smallPng, '<?php system($_GET[0]);', 'application/x-httpd-php', MARKUP],
    ['a PNG and bytes', smallPng, 'x', null, TRAILING],
    ['a JPEG and PHP', smallJpeg, '\n<?php phpinfo();', 'application/x-httpd-php', MARKUP],
    ['a JPEG and a script', smallJpeg, joined(noise(5000), SCRIPT), 'text/html', MARKUP],
    ['a JPEG and HTML', smallJpeg, '<!DOCTYPE html><p>', 'text/html', MARKUP],
  ])('%s is refused where metadata stays', async (_, image, tail, detected, detail) => {
    const { status, body } = await send(joined(await image(), tail), keeping);
    expect([status, body.detected, body.detail]).toEqual([415, detected, detail]);
  });
});

describe('a JPEG without its end marker', () => {
  const pixels = async (file: Buffer) => await sharp(file, { failOn: 'none' }).raw().toBuffer();

  it.each<[string, () => Promise<Buffer>, number]>([
    ['baseline', () => jpeg(300, 200), 2],
    ['with a few bytes of its code', () => jpeg(300, 200), 5],
    ['but for its first byte', () => jpeg(300, 200), 1],
    [
      'progressive',
      async () =>
        await sharp(await jpeg(300, 200))
          .jpeg({ progressive: true })
          .toBuffer(),
      2,
    ],
    [
      'to be turned',
      async () =>
        await sharp(await jpeg(300, 200))
          .withMetadata({ orientation: 6 })
          .jpeg()
          .toBuffer(),
      2,
    ],
  ])('%s gets one if all its rows are there', async (name, sample, missing) => {
    const file = await sample();
    const image = await published(file.subarray(0, -missing));
    expect(image.subarray(-2).toString('hex')).toBe('ffd9');
    if (missing > 2 || name === 'to be turned') return;
    expect((await pixels(image)).equals(await pixels(file))).toBe(true);
    await expect(sharp(image, { failOn: 'warning' }).raw().toBuffer()).resolves.toBeDefined();
  });

  it('is left as it is where metadata stays', async () => {
    const file = (await jpeg(300, 200)).subarray(0, -2);
    expect((await published(file, keeping)).equals(file)).toBe(true);
  });

  it.each([20, 100, 300, 3000, 30_000])('is refused if %i bytes of its rows are missing', async (missing) => {
    for (const client of [stripping, keeping]) {
      const { status, body } = await send((await jpeg(300, 200)).subarray(0, -missing), client);
      expect([status, body.code]).toEqual([415, 'unreadable-image']);
    }
  });
});

describe('a GIF without its last byte', () => {
  const stillGif = async () =>
    await sharp(await smallPng())
      .gif()
      .toBuffer();
  const SAMPLES: [string, () => Promise<Buffer>][] = [
    ['still', stillGif],
    ['animated', animatedGif],
  ];

  it.each(SAMPLES)('gets it: %s', async (_, sample) => {
    const file = await sample();
    expect(file.at(-1)).toBe(0x3b);
    expect((await published(file.subarray(0, -1))).equals(file)).toBe(true);
  });

  it.each(SAMPLES)('is left as it is where metadata stays: %s', async (_, sample) => {
    const file = (await sample()).subarray(0, -1);
    expect((await published(file, keeping)).equals(file)).toBe(true);
  });

  it.each([2, 3, 50])('is refused if %i bytes are missing', async (missing) => {
    for (const client of [stripping, keeping]) {
      const { status, body } = await send((await stillGif()).subarray(0, -missing), client);
      expect([status, body.code]).toEqual([415, 'unreadable-image']);
    }
  });

  it('is refused if it has no picture', async () => {
    const file = await stillGif();
    const head = file.subarray(0, 13 + 3 * 2 ** ((file.readUInt8(10) & 7) + 1));
    const { status, body } = await send(head);
    expect([status, body.code]).toEqual([415, 'unreadable-image']);
  });
});

describe('a GIF with stray zeros', () => {
  const cases: [string, (gif: Buffer) => Buffer][] = [
    ['before its last byte', (gif) => joined(gif.subarray(0, -1), '\0', ';')],
    ['at its end, without a last byte', (gif) => joined(gif.subarray(0, -1), '\0\0\0')],
    [
      'between its frames',
      (gif) => {
        const second = gif.lastIndexOf(Buffer.from('21f904', 'hex'));
        return joined(gif.subarray(0, second), Buffer.alloc(16), gif.subarray(second));
      },
    ],
  ];

  it.each(cases)('%s is published without them, or as it is where metadata stays', async (_, change) => {
    const gif = await animatedGif();
    const file = change(gif);
    expect((await published(file)).equals(gif)).toBe(true);
    expect((await published(file, keeping)).equals(file)).toBe(true);
  });

  it.each([0.3, 0.7])('in place of its last frames or rows (from %d on) is refused', async (share) => {
    const gif = await animatedGif();
    const cut = Math.floor(gif.length * share);
    for (const end of ['', ';']) {
      const zeroed = joined(gif.subarray(0, cut), Buffer.alloc(gif.length - cut), end);
      const { status, body } = await send(zeroed);
      expect([status, body.code]).toEqual([415, 'unreadable-image']);
    }
  });

  it('before its picture is refused', async () => {
    const gif = await animatedGif();
    const first = gif.indexOf(Buffer.from('21f904', 'hex'));
    const { status, body } = await send(joined(gif.subarray(0, first), '\0', gif.subarray(first)));
    expect([status, body.code]).toEqual([415, 'unreadable-image']);
  });
});

describe('a PNG without its end', () => {
  const large = () => png(200, 200);
  const END_BYTES = 12;

  it.each([1, 4, 5, 8, 11, 12])('gets the last %i bytes', async (missing) => {
    const file = await large();
    expect((await published(file.subarray(0, -missing))).equals(file)).toBe(true);
  });

  it('is left as it is where metadata stays', async () => {
    for (const missing of [4, 12]) {
      const file = (await large()).subarray(0, -missing);
      expect((await published(file, keeping)).equals(file)).toBe(true);
    }
  });

  it('gets it when it is turned', async () => {
    const file = await sharp(await png(40, 30))
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const { width, height } = await sharp(await published(file.subarray(0, -END_BYTES))).metadata();
    expect([width, height]).toEqual([30, 40]);
  });

  it('is refused if pixels are missing', async () => {
    const file = await large();
    const lastPixels = file.lastIndexOf('IDAT') - 4;
    const cuts = [
      -END_BYTES - 1,
      -END_BYTES - 4,
      -3000,
      lastPixels,
      lastPixels + 8,
      file.indexOf('IDAT') - 4,
    ];
    for (const end of cuts) {
      for (const client of [stripping, keeping]) {
        const { status, body } = await send(file.subarray(0, end), client);
        expect([end, status, body.code]).toEqual([end, 415, 'unreadable-image']);
      }
    }
  });

  it('is refused if there is something else', async () => {
    const file = await large();
    const { status, body } = await send(joined(file.subarray(0, -END_BYTES), 'junk'));
    expect([status, body.code]).toEqual([415, 'unreadable-image']);
  });

  it('that moves may lack frames, unless the end has begun', async () => {
    const file = await large();
    const moving = afterPngHead(file, pngChunk('acTL', Buffer.from('0000000100000000', 'hex')));
    expect((await published(moving.subarray(0, -4))).equals(moving)).toBe(true);
    const { status, body } = await send(moving.subarray(0, -END_BYTES));
    expect([status, body.code]).toEqual([415, 'unreadable-image']);
  });
});

/** The end record of an archive that says nothing of its entries. */
function disguised(archive: Buffer, change: (record: Buffer) => void): Buffer {
  const copy = Buffer.from(archive);
  change(copy.subarray(copy.lastIndexOf('PK\x05\x06')));
  return copy;
}

describe('an archive', () => {
  const archive = zip([{ name: 'evil.js', data: 'alert(1)' }]);
  const record = archive.lastIndexOf('PK\x05\x06');
  const fake = joined('PK\x05\x06', Buffer.alloc(18));
  const locator = joined('PK\x06\x07', Buffer.alloc(16));

  const ARCHIVES: [string, Buffer][] = [
    ['as usual', archive],
    ['with a comment', zip([{ name: 'evil.js', data: 'alert(1)' }], { comment: 'a'.repeat(60_000) })],
    ['that counts no entries', disguised(archive, (end) => end.fill(0, 8, 20))],
    ['of ZIP64', disguised(archive, (end) => end.fill(0xff, 8, 20))],
    [
      'of ZIP64, with its locator',
      joined(
        archive.subarray(0, record),
        locator,
        disguised(archive, (end) => end.fill(0xff, 8, 20)).subarray(record),
      ),
    ],
    ['of which only the locator is near', joined(noise(900), locator, fake)],
    [
      'with a false end in its comment',
      joined(
        disguised(archive, (end) => end.writeUInt16LE(fake.length, 20)),
        fake,
      ),
    ],
    [
      'with many false ends',
      joined(
        disguised(archive, (end) => end.writeUInt16LE(60_000, 20)),
        Buffer.alloc(60_000, fake),
      ),
    ],
  ];
  const hosts: [string, () => Promise<Buffer>][] = [...IMAGES, ['PDF', () => Promise.resolve(pdf(9000))]];

  it.each(ARCHIVES)('%s is found behind everything', async (_, hidden) => {
    for (const [kind, host] of hosts) {
      const { status, body } = await send(joined(await host(), hidden));
      expect([kind, status, body.detail]).toEqual([kind, 415, 'An archive is hidden in the file']);
    }
  });

  it('in the middle of a PDF is an attachment', async () => {
    const { status } = await send(joined('%PDF-1.7\n', archive, '\nendstream\n%%EOF\n'));
    expect(status).toBe(201);
  });
});
