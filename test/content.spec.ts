import { readdir } from 'node:fs/promises';
import { MEDIA_TYPES } from '../src/config/media-types.js';
import { Client, md5, type Answer } from './setup/client.js';
import { compoundFile } from './setup/compound.js';
import { cpuTime } from './setup/cpu-time.js';
import { docx, media, odt, openDocument, openXml, pptx, xlsx } from './setup/office.js';
import { animatedGif, animatedWebp, photo, pngOfSize } from './setup/pictures.js';
import { jpeg, noise, pdf, png, text } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { zip } from './setup/zip.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const PPTX = 'application/vnd.openxmlformats-officedocument.presentationml.presentation';
const OPEN_DOCUMENT = 'application/vnd.oasis.opendocument';

/** Something to put between bytes and name in a table of files. */
type Sample = Buffer | (() => Buffer | Promise<Buffer>);
const made = async (sample: Sample) => (typeof sample === 'function' ? await sample() : sample);

const joined = (...parts: (Buffer | string)[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1')));
const appended = (sample: () => Promise<Buffer>, more: Buffer | string) => async () =>
  joined(await sample(), more);
const cut = (sample: () => Promise<Buffer>, bytes: number) => async () =>
  (await sample()).subarray(0, -bytes);

const gif = animatedGif;
const webp = animatedWebp;
const smallJpeg = () => jpeg(40, 30);
const smallPng = () => png(40, 30);

const compound = (name: string, length = 600_000) =>
  compoundFile([
    { name: 'Data', data: noise(length) },
    { name, data: noise(5000, name) },
  ]);

const withoutEnd = joined('%PDF-1.7\n', noise(300_000));
/** For fast display of its first page: an end mark near its head, objects after that, and no second mark. */
const linearized = joined(
  '%PDF-1.7\n9 0 obj\n<</Linearized 1>>\nendobj\n%%EOF\r   \r\n10 0 obj\nstream\n',
  noise(900_000),
);
const script = '<script>alert(1)</script>';
const archive = zip([{ name: 'evil.js', data: 'alert(1)' }]);

/** The offsets of a ZIP that stands behind other bytes, counted from the start of the file or not. */
function behind(front: Buffer): Buffer {
  const moved = Buffer.from(archive);
  const record = moved.lastIndexOf('PK\x05\x06');
  moved.writeUInt32LE(moved.readUInt32LE(record + 16) + front.length, record + 16);
  return joined(front, moved);
}

describe('a real file', () => {
  it.each<[string, Sample, string, string]>([
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((turn): [string, Sample, string, string] => [
      `a photo with GPS, orientation ${turn}`,
      () => photo(60, 40, turn),
      'p.jpg',
      'image/jpeg',
    ]),
    ['a PNG', () => png(300, 300), 'p.png', 'image/png'],
    ['an animated GIF', gif, 'a.gif', 'image/gif'],
    ['an animated WebP', webp, 'a.webp', 'image/webp'],
    [
      'a motion photo',
      appended(smallJpeg, joined('\0\0\0\x18ftypmp42', noise(20_000))),
      'm.jpg',
      'image/jpeg',
    ],
    [
      'a JPEG with a second picture',
      async () => joined(await smallJpeg(), await jpeg(20, 20)),
      'u.jpg',
      'image/jpeg',
    ],
    [
      "a JPEG with a phone's trailer",
      appended(smallJpeg, joined(noise(900), 'SEFH\x6b\0\0\0SEFT')),
      's.jpg',
      'image/jpeg',
    ],
    ['a JPEG that is padded', appended(smallJpeg, Buffer.alloc(512)), 'z.jpg', 'image/jpeg'],
    ['a PNG that is padded', appended(smallPng, Buffer.alloc(16)), 'z.png', 'image/png'],
    ['a PDF', pdf(300_000), 'a.pdf', 'application/pdf'],
    ['a PDF of random bytes without an end', withoutEnd, 'r.pdf', 'application/pdf'],
    ['a linearized PDF without its end', linearized, 'l.pdf', 'application/pdf'],
    [
      'a PDF with an archive attached to it',
      joined('%PDF-1.7\n', archive, '\nendstream\n%%EOF\n'),
      'p.pdf',
      'application/pdf',
    ],
    ['a DOCX', () => docx([media('word', 250_000)]), 'a.docx', DOCX],
    [
      'a DOCX whose first entry is larger than 1 MiB',
      () => zip([media('word', 1_300_000), ...openXml('docx')]),
      'b.docx',
      DOCX,
    ],
    [
      'a DOCX of many small parts before the document',
      () => {
        const [types, rels, main] = openXml('docx');
        const items = Array.from({ length: 3000 }, (_, i) => ({
          name: `customXml/item${i}.xml`,
          data: '<a/>',
        }));
        return zip([types!, rels!, ...items, main!]);
      },
      'c.docx',
      DOCX,
    ],
    [
      'a DOCX with a workbook in it',
      () => docx([{ name: 'word/embeddings/a.xlsx', data: xlsx() }]),
      'd.docx',
      DOCX,
    ],
    ['an XLSX', () => xlsx([media('xl', 250_000)]), 'a.xlsx', XLSX],
    ['a PPTX', () => pptx([media('ppt', 250_000)]), 'a.pptx', PPTX],
    ['an ODT', () => odt([media('Pictures', 250_000)]), 'a.odt', `${OPEN_DOCUMENT}.text`],
    ['an ODS', () => zip(openDocument('spreadsheet')), 'a.ods', `${OPEN_DOCUMENT}.spreadsheet`],
    ['an ODP', () => zip(openDocument('presentation')), 'a.odp', `${OPEN_DOCUMENT}.presentation`],
    [
      'an ODT whose type comes last',
      () => zip(openDocument('text').toReversed()),
      'b.odt',
      `${OPEN_DOCUMENT}.text`,
    ],
    ['an old Word file', compound('WordDocument'), 'a.doc', 'application/msword'],
    ['an old workbook of another name', compound('Workbook'), 'a.doc', 'application/vnd.ms-excel'],
    ['an old presentation', compound('PowerPoint Document'), 'a.ppt', 'application/vnd.ms-powerpoint'],
    ['a CSV', Buffer.from('id;name\n1;Größe\n'.repeat(20_000)), 'a.csv', 'text/csv'],
    ['a text', text(300_000), 'a.txt', 'text/plain'],
    [
      'a text that begins with an address',
      Buffer.from('<ada@example.org> wrote:\n> hello'),
      'm.txt',
      'text/plain',
    ],
  ])('%s becomes a Media of its type', async (_, sample, fileName, mime) => {
    const file = await made(sample);
    const id = await client.upload(file, { fileName });
    const { status, body } = await client.complete(id, md5(file));
    expect([status, body.detail, body.mimetype]).toEqual([201, undefined, mime]);
    expect(body.type).toBe(mime.startsWith('image/') ? 'image' : 'doc');
  });

  it('is as large as a person sees it', async () => {
    const sizes = [];
    for (let turn = 1; turn <= 8; turn++) {
      const file = await photo(60, 40, turn);
      const { body } = await client.complete(await client.upload(file), md5(file));
      sizes.push([body.image_width, body.image_height]);
    }
    expect(sizes).toEqual([...Array(4).fill([60, 40]), ...Array(4).fill([40, 60])]);
  });
});

describe('a first chunk that cannot become a file that is taken', () => {
  it.each<[string, Buffer, string, string | null]>([
    ['HTML as .jpg', Buffer.from(`<html><body>${script}`.padEnd(9000)), 'photo.jpg', 'text/html'],
    ['an image tag', Buffer.from('\n <img src=x onerror=alert(1)>'), 'a.txt', 'text/html'],
    ['a tag of its own', Buffer.from('<x-foo onclick=alert(1)>'), 'a.txt', 'text/html'],
    ['a closing tag', Buffer.from('</p><script>'), 'a.txt', 'text/html'],
    ['markup behind much white space', Buffer.from(`${' '.repeat(5000)}<script>`), 'a.txt', 'text/html'],
    ['PHP', Buffer.from('<?php phpinfo();'), 'a.txt', 'application/x-httpd-php'],
    [
      'SVG',
      Buffer.from('<svg onload="alert(1)" xmlns="http://www.w3.org/2000/svg"/>'),
      'a.svg',
      'image/svg+xml',
    ],
    ['an EXE as .pdf', joined('MZ\x90\0', noise(5000)), 'report.pdf', 'application/x-msdownload'],
    ['HTML before a PDF', joined(script, '%PDF-1.7\n', noise(3000), '%%EOF'), 'a.pdf', 'text/html'],
    ['a script before a PDF', joined('alert(1)//\0', pdf(3000)), 'a.pdf', null],
    ['a ZIP', archive, 'a.docx', 'application/zip'],
    [
      'a JAR',
      zip([{ name: 'META-INF/MANIFEST.MF', data: 'Main-Class: A' }]),
      'a.docx',
      'application/java-archive',
    ],
    [
      'an APK',
      zip([{ name: 'AndroidManifest.xml', data: noise(3000) }]),
      'a.docx',
      'application/vnd.android.package-archive',
    ],
    [
      'an EPUB',
      zip([{ name: 'mimetype', data: 'application/epub+zip', stored: true }]),
      'a.odt',
      'application/epub+zip',
    ],
    ['an HEIC', joined('\0\0\0\x18ftypheic\0\0\0\0mif1heic', noise(3000)), 'a.jpg', 'image/heic'],
    ['a BMP', joined('BM', noise(3000)), 'a.png', 'image/bmp'],
    ['a TIFF', joined('II*\0\x08\0\0\0\0\0', noise(9000)), 'a.tif', 'image/tiff'],
    ['a TIFF whose directory comes last', joined('II*\0\0\x80\0\0', noise(9000)), 'a.tif', 'image/tiff'],
    ['the same of a Mac', joined('MM\0*\0\0\x80\0', noise(9000)), 'a.tif', 'image/tiff'],
    ['a BigTIFF', joined('II+\0\x08\0\0\0', noise(9000)), 'a.tif', 'image/tiff'],
    ['a BigTIFF of a Mac', joined('MM\0+\0\x08\0\0', noise(9000)), 'a.tif', 'image/tiff'],
    [
      'a photo of a Canon, with its directory',
      joined('II*\0\x10\0\0\0CR\x02\0', noise(9000)),
      'a.cr2',
      'image/x-canon-cr2',
    ],
    [
      'a photo of an Olympus',
      joined('IIRO\x08\0\0\0\x18\0\0\0', noise(9000)),
      'a.orf',
      'image/x-olympus-orf',
    ],
  ])('%s: 415, and there is no session', async (_, bytes, fileName, detected) => {
    const before = await app.state();
    const range = `0-${bytes.length - 1}/${bytes.length + 50_000}`;
    const { status, body } = await client.chunk(bytes, { range, fileName });
    expect([status, body]).toEqual([
      415,
      expect.objectContaining({
        code: 'unsupported-content',
        action: 'give-up',
        detected,
        declared: fileName,
        allowed: MEDIA_TYPES,
      }),
    ]);
    expect(await app.state()).toEqual(before);
  });

  it('names the media type that the client gave it', async () => {
    const form = new FormData();
    form.append('image', new Blob(['<script>'], { type: 'IMAGE/PNG; x=y' }), 'a.png');
    const { body } = await client.send('POST', '/api/v2/media/upload/chunk/', { body: form });
    expect([body.detected, body.declared]).toEqual(['text/html', 'image/png']);
    const raw = await client.send('POST', '/api/v2/media/upload/chunk/', {
      body: '<script>',
      headers: { 'content-type': 'image/gif' },
    });
    expect([raw.status, raw.body.declared]).toEqual([415, 'image/gif']);
  });

  it.each<[string, Sample]>([
    ['a JPEG', smallJpeg],
    ['a PNG', smallPng],
    ['a GIF', gif],
    ['a WebP', webp],
  ])('%s of more than an image may have: 413, and there is no session', async (_, sample) => {
    const before = await app.state();
    const head = await made(sample);
    const { status, body } = await client.chunk(head, { range: `0-${head.length - 1}/5242881` });
    expect([status, body.code, body.kind, body.max_bytes]).toEqual([
      413,
      'upload-too-large',
      'image',
      5_242_880,
    ]);
    expect(await app.state()).toEqual(before);
  });
});

/** Everything about a session that ended for what its bytes are, and that it left nothing else. */
async function expectRejected(id: string, rejection: { code: string; detail: string }): Promise<void> {
  const { status, body } = await client.status(id);
  expect([status, body.state, body.rejection, body.media_id]).toEqual([200, 'rejected', rejection, null]);
  const uploads = await readdir(`${app.config.dataDir}/uploads`);
  expect(uploads.filter((name) => name.startsWith(id))).toEqual([]);
  const keys = await app.sql<{ key: string }>(`SELECT key FROM media`);
  expect((await readdir(`${app.config.dataDir}/files`)).sort()).toEqual(keys.map(({ key }) => key).sort());
  expect(await app.sql(`SELECT 1 FROM media WHERE upload_id = $1`, [id])).toEqual([]);
}

describe('a first chunk too small to tell', () => {
  const exe = joined('MZ\x90\0\x03\0\0\0', noise(9000));

  it.each<[string, Sample, string]>([
    ['a JPEG', () => jpeg(60, 60), 'image/jpeg'],
    ['a PNG', () => png(60, 60), 'image/png'],
    ['a GIF', gif, 'image/gif'],
    ['a WebP', webp, 'image/webp'],
    ['a PDF', pdf(9000), 'application/pdf'],
    ['an old Word file', compound('WordDocument', 3000), 'application/msword'],
    ['a DOCX', () => docx([media('word', 9000)]), DOCX],
    ['an ODT', odt, `${OPEN_DOCUMENT}.text`],
    ['a text', text(9000), 'text/plain'],
    ['a text of few bytes', Buffer.from('<ü>'), 'text/plain'],
  ])('of %s is told with the next ones', async (_, sample, mime) => {
    const file = await made(sample);
    for (const length of [1, 2, 3, 4, 7, 11, 100].filter((length) => length < file.length)) {
      const { body } = await client.slice(file, 0, length);
      const second = await client.slice(file, length, file.length, body.upload_id);
      expect([length, second.status]).toEqual([length, 201]);
      expect(await app.sql(`SELECT mime FROM upload_session WHERE id = $1`, [body.upload_id])).toEqual([
        { mime },
      ]);
      expect((await client.complete(body.upload_id, md5(file))).body.mimetype).toBe(mime);
    }
  });

  it.each<[string, Buffer, number, string | null]>([
    ['an EXE after 1 byte', exe, 1, 'application/x-msdownload'],
    ['an EXE after 2 bytes', exe, 2, 'application/x-msdownload'],
    ['HTML after 3 bytes', Buffer.from(script.padEnd(900)), 3, 'text/html'],
    ['SVG after 4 bytes', Buffer.from('<svg onload="alert(1)"/>'.padEnd(900)), 4, 'image/svg+xml'],
    [
      'PHP after 100 blanks',
      Buffer.from(`${' '.repeat(100)}<?php phpinfo();`),
      100,
      'application/x-httpd-php',
    ],
    ['a ZIP after 4 bytes', archive, 4, 'application/zip'],
    ['nothing known after 11 bytes', noise(900), 1, null],
  ])('of %s: 415 at the chunk that tells, the session is rejected', async (_, file, length, detected) => {
    const first = await client.slice(file, 0, length, undefined, { fileName: 'a.png' });
    expect(first.status).toBe(201);
    const id = first.body.upload_id;
    const { status, body } = await client.slice(file, length, file.length, id);
    expect([status, body.code, body.detected, body.declared]).toEqual([
      415,
      'unsupported-content',
      detected,
      'a.png',
    ]);
    await expectRejected(id, { code: 'unsupported-content', detail: body.detail });
    for (const answer of [
      await client.slice(file, length, file.length, id),
      await client.complete(id, md5(file)),
    ])
      expect([answer.status, answer.body.code, answer.body.reason]).toEqual([
        410,
        'upload-rejected',
        'unsupported-content',
      ]);
  });

  it('is told by a chunk that repeats it, too', async () => {
    const { body } = await client.slice(exe, 0, 1);
    const { status } = await client.slice(exe, 0, 500, body.upload_id);
    expect(status).toBe(415);
    await expectRejected(body.upload_id, {
      code: 'unsupported-content',
      detail: unknown('EXE'),
    });
  });

  it('is told however small the next ones are', async () => {
    const { body } = await client.slice(exe, 0, 1);
    const statuses = [];
    for (let at = 1; at < 12 && statuses.at(-1) !== 415; at++)
      statuses.push((await client.slice(exe, at, at + 1, body.upload_id)).status);
    expect(statuses).toEqual([...Array(10).fill(201), 415]);
  });

  it('of an image of more than an image may have: 413 at the chunk that tells, the session is rejected', async () => {
    const file = await png(60, 60);
    const { body } = await client.chunk(file.subarray(0, 5), { range: '0-4/5242881' });
    const answer = await client.chunk(file.subarray(5), {
      uploadId: body.upload_id,
      range: `5-${file.length - 1}/5242881`,
    });
    expect([answer.status, answer.body.code]).toEqual([413, 'upload-too-large']);
    await expectRejected(body.upload_id, {
      code: 'upload-too-large',
      detail: 'The image is too large: images may be up to 5 MB',
    });
  });
});

const HIDDEN_ZIP = 'An archive is hidden in the file';
const HIDDEN_MARKUP = 'Markup is hidden in the file';
const UNREADABLE = 'The image is damaged or has too many pixels or frames';
const MACROS = 'Documents with macros are not accepted';
const ACCEPTED =
  'Accepted are JPG, PNG, GIF, WEBP, PDF, DOC, XLS, PPT, DOCX, XLSX, PPTX, ODT, ODS, ODP, TXT, CSV';
const unknown = (kind: string | null) =>
  kind === null
    ? `The server can't tell what kind of file this is. ${ACCEPTED}`
    : `${kind} files are not accepted. ${ACCEPTED}`;

const macroTypes = '<Override PartName="/word/a.bin" ContentType="application/vnd.ms-office.vbaProject"/>';

describe('a whole file that is not what its head promised', () => {
  it.each<[string, Sample, string | null, string]>([
    ['PNG and ZIP', async () => behind(await smallPng()), 'application/zip', HIDDEN_ZIP],
    ['JPEG and ZIP', async () => behind(await smallJpeg()), 'application/zip', HIDDEN_ZIP],
    [
      'JPEG and ZIP that counts from its own start',
      appended(smallJpeg, archive),
      'application/zip',
      HIDDEN_ZIP,
    ],
    [
      'JPEG and ZIP and bytes',
      async () => joined(behind(await smallJpeg()), 'more'),
      'application/zip',
      HIDDEN_ZIP,
    ],
    ['PDF and HTML', joined(pdf(3000), '<html><body onload=alert(1)>'), 'text/html', HIDDEN_MARKUP],
    ['PDF and an image tag', joined(pdf(3000), '\n<img src=x onerror=alert(1)>'), 'text/html', HIDDEN_MARKUP],
    [
      'PDF without an end and HTML',
      joined(withoutEnd, script),
      'text/html',
      'The PDF is truncated: its end is missing',
    ],
    [
      'linearized PDF without its end and HTML',
      joined(linearized, script),
      'text/html',
      'The PDF is truncated: its end is missing',
    ],
    [
      'PDF and an image tag and an object',
      joined(pdf(3000), '\n<img src=x onerror=alert(1)>\n1 0 obj\n'),
      'text/html',
      HIDDEN_MARKUP,
    ],
    ['linearized PDF without its end and ZIP', behind(linearized), 'application/zip', HIDDEN_ZIP],
    ['PDF and ZIP', behind(pdf(300_000)), 'application/zip', HIDDEN_ZIP],
    [
      'PDF in the comment of a ZIP',
      joined('%PDF-1.7\n', zip([{ name: 'a', data: 'b' }], { comment: '\n%%EOF\n' })),
      'application/zip',
      HIDDEN_ZIP,
    ],
    ['text and ZIP', () => behind(text(300_000)), null, unknown(null)],
    ['text and NULs', joined(text(400_000), '\0'), null, unknown(null)],
    ['a JPEG cut short', cut(smallJpeg, 100), null, UNREADABLE],
    ['a PNG cut short', cut(smallPng, 100), null, UNREADABLE],
    ['a GIF cut short', cut(gif, 100), null, UNREADABLE],
    ['a WebP cut short', cut(webp, 100), null, UNREADABLE],
    ['a PNG of 0×0', async () => pngOfSize(await smallPng(), 0, 0), null, UNREADABLE],
    ['a JPEG of nothing but its head', joined('\xff\xd8\xff\xe0\0\x10JFIF', noise(3000)), null, UNREADABLE],
    ['a DOCM', () => docx([{ name: 'word/vbaProject.bin', data: noise(500) }]), 'macros', MACROS],
    [
      'a DOCM whose project has another name',
      () => zip([...openXml('docx', macroTypes), { name: 'word/a.bin', data: noise(500) }]),
      'macros',
      MACROS,
    ],
    [
      'a DOCX and JAR',
      () => docx([{ name: 'META-INF/MANIFEST.MF', data: 'x' }]),
      'application/java-archive',
      unknown('JAR'),
    ],
    [
      'a DOCX and XLSX',
      () => zip([...openXml('docx'), { name: 'xl/workbook.xml', data: 'x' }]),
      'application/zip',
      'The archive holds two documents at once',
    ],
    [
      'a DOCX and EPUB',
      () => docx([{ name: 'mimetype', data: 'application/epub+zip' }]),
      'application/zip',
      unknown('ZIP'),
    ],
    [
      'a folder called word',
      () => zip([{ name: 'word/a.txt', data: 'x' }]),
      'application/zip',
      unknown('ZIP'),
    ],
    [
      'an OpenDocument drawing',
      () => zip([media('Pictures', 250_000), ...openDocument('graphics-template')]),
      `${OPEN_DOCUMENT}.graphics-template`,
      unknown('OTG'),
    ],
    [
      'a DOCX cut short',
      () => docx([media('word', 3000)]).subarray(0, -30),
      'application/zip',
      'The archive is damaged: it has no end',
    ],
    [
      'a DOCX and bytes',
      () => joined(docx(), 'x'),
      'application/zip',
      'The archive is damaged: it has no end',
    ],
    [
      'a DOCX that is encrypted',
      () => docx([{ name: 'word/a.xml', data: 'x', encrypted: true }]),
      'application/zip',
      'The archive is encrypted',
    ],
    [
      'a DOCX with two documents of one name',
      () => zip([...openXml('docx'), { name: 'Word/Document.xml', data: 'x' }]),
      'application/zip',
      'The archive has two entries with the same name',
    ],
    [
      'a DOCX that leads out of its folder',
      () => docx([{ name: 'word/../../../etc/passwd', data: 'x' }]),
      'application/zip',
      'The archive has an entry with an invalid name',
    ],
    [
      'an installer',
      compound('Installer'),
      'application/x-cfb',
      'The file is not a Word, Excel or PowerPoint document',
    ],
  ])('%s: 415, the session is rejected and its bytes are gone', async (_, sample, detected, detail) => {
    const file = await made(sample);
    const id = await client.upload(file, { fileName: 'a.bin' });
    const answer = await client.complete(id, md5(file));
    const mime = detected === 'macros' ? 'application/vnd.ms-word.document.macroenabled.12' : detected;
    const code = detail === UNREADABLE ? 'unreadable-image' : 'unsupported-content';
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([415, code, detail]);
    if (code === 'unsupported-content')
      expect(answer.body).toMatchObject({ detected: mime, declared: 'a.bin', allowed: MEDIA_TYPES });
    await expectRejected(id, { code, detail: answer.body.detail });
  });
});

const MIB = 1024 * 1024;

/** The answer, its milliseconds of CPU, and by how much the memory of the process grew meanwhile. */
async function measured(work: () => Promise<Answer>): Promise<{ answer: Answer; ms: number; bytes: number }> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 1);
  let answer!: Answer;
  const ms = await cpuTime(async () => (answer = await work()));
  clearInterval(timer);
  return { answer, ms, bytes: Math.max(peak, process.memoryUsage.rss()) - before };
}

describe('a bomb', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ name: `word/${i}`, data: '', stored: true }));
  const zeros = Buffer.alloc(100 * MIB);

  it.each<[string, () => Buffer | Promise<Buffer>, string]>([
    ['a PNG of 60000×60000 pixels', async () => pngOfSize(await smallPng(), 60_000, 60_000), UNREADABLE],
    [
      'a GIF of 65535×65535 pixels',
      async () => {
        const file = Buffer.from(await gif());
        file.writeUInt32LE(0xffffffff, 6);
        file.writeUInt32LE(0xffffffff, file.indexOf(Buffer.from('2c00000000', 'hex')) + 5);
        return file;
      },
      UNREADABLE,
    ],
    [
      'a JPEG of 65500×65500 pixels',
      async () => {
        const file = Buffer.from(await smallJpeg());
        file.writeUInt32BE(0xffdcffdc, file.indexOf(Buffer.from('ffc0', 'hex')) + 5);
        return file;
      },
      UNREADABLE,
    ],
    [
      'a DOCX of 100 MiB of zeros',
      () => docx([{ name: 'word/a.xml', data: zeros }]),
      'The archive unpacks to too much data',
    ],
    [
      'a DOCX that says it unpacks to 4 GiB',
      () => docx([{ name: 'word/a.xml', data: noise(2 * MIB), unpacked: 0xfffffffe }]),
      'The archive unpacks to too much data',
    ],
    [
      'a DOCX whose entries share their bytes',
      () => zip([...openXml('docx'), ...many(200).map((entry) => ({ ...entry, at: 0 }))]),
      'The archive has overlapping entries',
    ],
    [
      'a DOCX whose list of types hides 100 MiB',
      () =>
        zip(
          openXml('docx').map((entry) =>
            entry.name.startsWith('[') ? { ...entry, data: zeros, unpacked: 900 } : entry,
          ),
        ),
      'The archive is damaged',
    ],
    ['a DOCX of 65,535 entries', () => zip(many(65_535)), 'The archive has more than 10000 entries'],
    [
      'a DOCX whose entries carry half a million extra fields',
      () => docx(many(60).map((entry) => ({ ...entry, extra: Buffer.alloc(32_768) }))),
      'The archive is packed in an unusual way',
    ],
    [
      'a DOCX of 20,000 entries that speaks of ten',
      () => zip(many(20_000), { count: 10 }),
      'The archive is damaged: its directory is not as long as it says',
    ],
  ])(
    '%s is refused in no time and no space',
    async (_, sample, detail) => {
      const file = await sample();
      const harmless = pdf(file.length);
      const harmlessId = await client.upload(harmless);
      const usual = await measured(() => client.complete(harmlessId, md5(harmless)));
      const runs = [];
      for (let run = 0; run < 3; run++) {
        const bombId = await client.upload(file);
        const { answer, ms, bytes } = await measured(() => client.complete(bombId, md5(file)));
        expect([usual.answer.status, answer.status, answer.body.detail]).toEqual([201, 415, detail]);
        await expectRejected(bombId, { code: answer.body.code, detail });
        runs.push({ ms: ms - usual.ms, bytes });
      }
      // Others share the machine: the best of three is what it takes.
      expect(Math.min(...runs.map(({ ms }) => ms))).toBeLessThan(100);
      expect(Math.min(...runs.map(({ bytes }) => bytes))).toBeLessThan(50 * MIB);
    },
    30_000,
  );

  it('in a document stays as it is, packed', async () => {
    const inner = zip([{ name: 'a', data: zeros }]);
    const file = docx([{ name: 'word/embeddings/a.zip', data: zip([{ name: 'b.zip', data: inner }]) }]);
    const id = await client.upload(file);
    const { answer, bytes } = await measured(() => client.complete(id, md5(file)));
    expect(answer.status).toBe(201);
    expect(bytes).toBeLessThan(50 * MIB);
  });

  it('of archives within archives is refused at chunk one', async () => {
    const file = zip([{ name: '0.zip', data: zip([{ name: '0.dll', data: zeros }]) }]);
    expect((await client.slice(file, 0, file.length)).body).toMatchObject({
      status: 415,
      detected: 'application/zip',
    });
  });
});

describe('damage', () => {
  it.each<[string, Sample]>([
    ['a JPEG', smallJpeg],
    ['a PNG', smallPng],
    ['a GIF', gif],
    ['a WebP', webp],
    ['a PDF', pdf(3000)],
    ['a DOCX', docx],
    ['an ODT', odt],
    ['an old Word file', compound('WordDocument', 3000)],
  ])('of %s is an answer and never a failure', async (name, sample) => {
    const whole = await made(sample);
    const statuses = new Set<number>();
    for (let i = 0; i < 25; i++) {
      const file = Buffer.from(whole);
      const random = noise(16, `${name} ${i}`);
      for (let at = 0; at < 16; at += 4) file[random.readUInt16LE(at) % file.length] = random[at + 2] ?? 0;
      if (i % 3 === 0) random.copy(file, random.readUInt16LE(0) % file.length);
      const chunk = await client.slice(file, 0, file.length);
      statuses.add(chunk.status);
      if (chunk.status === 201) statuses.add((await client.complete(chunk.body.upload_id, md5(file))).status);
    }
    expect([201, 415]).toEqual(expect.arrayContaining([...statuses]));
  });
});

describe('ALLOWED_TYPES', () => {
  it('takes those and no others, and names them', async () => {
    const allowed = ['image/png', 'text/csv'];
    const strict = await TestApp.start({ ALLOWED_TYPES: allowed.join(', ') });
    const user = await Client.of(strict);
    for (const [file, detected] of [
      [pdf(300), 'application/pdf'],
      [await smallJpeg(), 'image/jpeg'],
      [text(300), 'text/plain'],
      [zip([media('Pictures', 3000)]), 'application/zip'],
    ] as const) {
      const { status, body } = await user.slice(file, 0, file.length, undefined, { fileName: 'a.png' });
      expect([status, body.detected, body.allowed]).toEqual([415, detected, allowed]);
    }
    expect((await strict.state()) as object).toMatchObject({ sessions: [], files: [[], []] });
    for (const [file, fileName] of [
      [await smallPng(), 'a.png'],
      [text(300), 'a.csv'],
    ] as const) {
      const id = await user.upload(file, { fileName });
      expect((await user.complete(id, md5(file))).status).toBe(201);
    }
    await strict.stop();
  });
});

describe('a name that does not fit the bytes', () => {
  it('is kept as the title, and is not what the file is saved as', async () => {
    const file = pdf(300);
    const id = await client.upload(file, { fileName: 'größe.php' });
    const { body } = await client.complete(id, md5(file));
    expect(body.title).toBe('größe.php');
    const { headers } = await client.send('HEAD', body.url);
    expect(headers.get('content-disposition')).toBe('inline; filename="größe.pdf"');
  });
});
