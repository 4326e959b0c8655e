import { Client, md5 } from './setup/client.js';
import { compoundFile, type CompoundEntry } from './setup/compound.js';
import { cpuTime } from './setup/cpu-time.js';
import { docx, media, openDocument, openXml, xlsx } from './setup/office.js';
import { noise } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { NO_PCODE, registered, SHEET, toProject, vbaProject, type Project } from './setup/vba.js';
import { zip, type ZipEntry } from './setup/zip.js';

let app: TestApp;
let client: Client;

beforeAll(async () => {
  app = await TestApp.start();
  client = await Client.of(app);
});
afterAll(() => app.stop());

/** Uploads and completes; refused at the first chunk or at the end, it is the same answer. */
async function send(file: Buffer, fileName = 'blob') {
  const first = await client.slice(file, 0, Math.min(file.length, 204_800), undefined, { fileName });
  if (first.status !== 201) return first;
  const id: string = first.body.upload_id;
  for (let at = 204_800; at < file.length; at += 204_800)
    await client.slice(file, at, Math.min(at + 204_800, file.length), id);
  return await client.complete(id, md5(file));
}

async function expectTaken(file: Buffer, fileName: string, mime: string, saved: string) {
  const { status, body } = await send(file, fileName);
  expect([status, body.detail, body.mimetype]).toEqual([201, undefined, mime]);
  const response = await fetch(body.url);
  expect(response.headers.get('content-disposition')).toBe(`attachment; filename="${saved}"`);
  expect(Buffer.from(await response.arrayBuffer()).equals(file)).toBe(true);
}

const MACROS = 'Documents with macros are not accepted';
const PASSWORD = 'The document is protected by a password';
const WORD = 'application/msword';
const EXCEL = 'application/vnd.ms-excel';
const POWERPOINT = 'application/vnd.ms-powerpoint';

const stream = (name: string, length = 5000): CompoundEntry => ({ name, data: noise(length, name) });

/** A record of Excel. */
function biff(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(type, 0);
  head.writeUInt16LE(data.length, 2);
  return Buffer.concat([head, data]);
}

/** A workbook with sheets of these kinds, 0 being the usual one. */
function workbook(kinds: readonly number[], before: readonly Buffer[] = []): CompoundEntry {
  const sheets = kinds.map((kind) => biff(0x85, Buffer.from([0, 0, 0, 0, 0, kind, 1, 0, 65])));
  const records = [
    biff(0x809, Buffer.alloc(16)),
    ...before,
    ...sheets,
    biff(0xfc, noise(8000)),
    biff(0x0a, Buffer.alloc(0)),
  ];
  return { name: 'Workbook', data: Buffer.concat([...records, noise(9000)]) };
}

/** A record of PowerPoint. */
function ppt(type: number, ...data: Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  const body = Buffer.concat(data);
  head.writeUInt16LE(type, 2);
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
}

function presentation(hasMacros: boolean): CompoundEntry {
  const atom = ppt(0x400, Buffer.from([1, 0, 0, 0, hasMacros ? 1 : 0, 0, 0, 0, 2, 0, 0, 0]));
  const document = ppt(0x3e8, ppt(0x3e9, noise(40)), ppt(0x7d0, ppt(0x3ff, atom)));
  return { name: 'PowerPoint Document', data: Buffer.concat([ppt(0x1011, noise(90_000)), document]) };
}

const project = (name: string): CompoundEntry => ({
  name,
  entries: [{ name: 'VBA', entries: [stream('dir', 300), stream('_VBA_PROJECT', 400)] }],
});

describe('a file of an old Office program', () => {
  it.each<[string, readonly CompoundEntry[], string, string, string]>([
    ['of Word', [stream('1Table'), stream('WordDocument')], 'a.doc', WORD, 'a.doc'],
    [
      'of Word, with a workbook in it',
      [{ name: 'ObjectPool', entries: [workbook([0])] }, stream('WordDocument')],
      'a',
      WORD,
      'a.doc',
    ],
    ['of Excel', [workbook([0, 2])], 'a.xls', EXCEL, 'a.xls'],
    [
      'of Excel, smaller than usual',
      [{ name: 'Workbook', data: Buffer.concat([biff(0x809, noise(16)), biff(0x0a, Buffer.alloc(0))]) }],
      'a.xls',
      EXCEL,
      'a.xls',
    ],
    ['of Excel 5', [{ ...workbook([0]), name: 'Book' }], 'a.xls', EXCEL, 'a.xls'],
    ['in capitals', [{ ...workbook([0]), name: 'WORKBOOK' }], 'A.XLS', EXCEL, 'A.XLS'],
    [
      'with a document in it',
      [{ name: 'MBD00', entries: [stream('WordDocument')] }, workbook([0])],
      'a.xlt',
      EXCEL,
      'a.xlt',
    ],
    [
      'with a document in it, of no name',
      [{ name: 'MBD00', entries: [stream('WordDocument')] }, workbook([0])],
      'blob',
      EXCEL,
      expect.any(String),
    ],
    ['of PowerPoint', [presentation(false), stream('Pictures', 400_000)], 'a.ppt', POWERPOINT, 'a.ppt'],
    ['of PowerPoint, to be shown', [presentation(false)], 'a.pps', POWERPOINT, 'a.pps'],
    ['of PowerPoint 95', [stream('PP40'), stream('Text_Content')], 'a.ppt', POWERPOINT, 'a.ppt'],
    ['of another name', [stream('WordDocument')], 'a.xls', WORD, 'a.doc'],
  ])('%s is told by the streams at its root', async (_, entries, fileName, mime, saved) => {
    if (fileName === 'blob') expect((await send(compoundFile(entries))).body.mimetype).toBe(mime);
    else await expectTaken(compoundFile(entries), fileName, mime, saved);
  });

  it.each<[string, readonly CompoundEntry[], string, string]>([
    ['with a project of Word', [stream('WordDocument'), project('Macros')], WORD, MACROS],
    ['with a project of Excel', [workbook([0]), project('_VBA_PROJECT_CUR')], EXCEL, MACROS],
    [
      'with a project in what is embedded',
      [workbook([0]), { name: 'MBD00', entries: [stream('WordDocument'), project('Macros')] }],
      EXCEL,
      MACROS,
    ],
    ['with a sheet of Excel 4 macros', [workbook([0, 1])], EXCEL, MACROS],
    ['with a module of Excel 5', [{ ...workbook([0, 6]), name: 'BOOK' }], EXCEL, MACROS],
    [
      'with a sheet of macros behind much else',
      [
        workbook(
          [0, 1],
          Array.from({ length: 30 }, () => biff(0x3c, noise(8000))),
        ),
      ],
      EXCEL,
      MACROS,
    ],
    ['with a project of PowerPoint', [presentation(true)], POWERPOINT, MACROS],
    [
      'that is a package behind a password',
      [stream('EncryptionInfo', 900), stream('EncryptedPackage'), stream('WordDocument', 10)],
      'application/x-cfb',
      PASSWORD,
    ],
    [
      'that is an installer',
      [stream('Installer')],
      'application/x-cfb',
      'The file is not a Word, Excel or PowerPoint document',
    ],
    [
      'with a document that is only embedded',
      [{ name: 'Pool', entries: [stream('WordDocument')] }],
      'application/x-cfb',
      'The file is not a Word, Excel or PowerPoint document',
    ],
  ])('%s is refused', async (_, entries, detected, detail) => {
    const { status, body } = await send(compoundFile(entries), 'a.doc');
    expect([status, body.detected, body.detail]).toEqual([415, detected, detail]);
  });

  it.each<[string, (file: Buffer) => Buffer]>([
    ['cut short', (file) => file.subarray(0, 3000)],
    [
      'whose directory leads in a circle',
      (file) => patch(file, (fat, directory) => fat.writeUInt32LE(directory, directory * 4)),
    ],
    ['whose sectors have no size', (file) => (file.writeUInt16LE(60, 30), file)],
    ['whose table is nowhere', (file) => (file.writeUInt32LE(0xfffffff0, 76), file)],
    [
      'whose lists of tables lead in a circle',
      (file) => (file.writeUInt32LE(0, 68), file.writeUInt32LE(0, 1020), file),
    ],
  ])('%s is refused in a moment', async (_, damage) => {
    const file = damage(compoundFile([stream('WordDocument', 100_000)]));
    const work = async () => expect((await send(file, 'a.doc')).status).toBe(415);
    expect(await cpuTime(work, 3)).toBeLessThan(1000);
  });

  it('with hundreds of thousands of records is refused in a moment', async () => {
    const file = compoundFile([
      { name: 'Workbook', data: Buffer.alloc(1_000_000, Buffer.from([1, 0, 0, 0])) },
    ]);
    const work = async () =>
      expect((await send(file, 'a.xls')).body.detail).toBe('The file is damaged or truncated');
    expect(await cpuTime(work, 3)).toBeLessThan(2000);
  });

  it('in many chunks is told at the end, however it is called', async () => {
    await expectTaken(compoundFile([stream('Data', 900_000), workbook([0])]), 'a.xls', EXCEL, 'a.xls');
  });
});

describe('a VBA project', () => {
  const withProject = (project?: Project) =>
    compoundFile([workbook([0]), vbaProject('_VBA_PROJECT_CUR', project)]);
  const sub = 'Sub Workbook_Open()\r\nEnd Sub\r\n';
  const oneLine = 'feca0100010080080000020000000000000000ffffffff010108000000cd10ffff78000000ffffffff0000';

  it.each<[string, Project]>([
    ['of a sheet', {}],
    ['of many sheets', { modules: Array.from({ length: 128 }, (_, i) => ({ name: `Sheet${i}` })) }],
    [
      'with control elements',
      { modules: [{ ...SHEET, source: 'Attribute VB_Control = "A, 1, 0, B"\r\n\r\n' }] },
    ],
    ['in Russian', { modules: [{ name: 'Лист1', mbcsName: '\xcb\xe8\xf1\xf21' }], codePage: 1251 }],
    ['with the template of Word', { references: [toProject('Normal')] }],
    ['with a library that is not there', { references: [registered('')] }],
  ])('without code, %s, is accepted', async (_, project) => {
    await expectTaken(withProject(project), 'a.xls', EXCEL, 'a.xls');
  });

  it('without code is accepted in a Word file, and in what is embedded', async () => {
    const word = [stream('WordDocument'), vbaProject('Macros')];
    await expectTaken(compoundFile(word), 'a.doc', WORD, 'a.doc');
    await expectTaken(
      compoundFile([workbook([0]), { name: 'MBD00', entries: word }]),
      'a.xls',
      EXCEL,
      'a.xls',
    );
  });

  it.each<[string, Project]>([
    ['with code', { modules: [{ ...SHEET, source: sub }] }],
    ['with code in the second module', { modules: [SHEET, { name: 'ThisWorkbook', source: sub }] }],
    ['with code behind an attribute', { modules: [{ ...SHEET, source: 'Attribute VB_A = "b": Beep\r\n' }] }],
    [
      'with lines in a string',
      { modules: [{ ...SHEET, source: 'Attribute VB_A = "b\nSub AutoOpen()\n\'"\r\n' }] },
    ],
    ['with a line of another kind', { modules: [{ ...SHEET, source: 'Attribute VB_A = "b"\rBeep\r\n' }] }],
    ['with p-code that its source does not have', { modules: [{ ...SHEET, pcode: oneLine }] }],
    ['whose p-code is not where it should be', { modules: [{ ...SHEET, pcode: `00${NO_PCODE}` }] }],
    ['with a module that is not of a document', { modules: [SHEET, { name: 'Module1', isDocument: false }] }],
    ['with compiled code', { more: [stream('__SRP_0', 300)] }],
    ['with a module that is not listed', { more: [stream('Module1', 300)] }],
    ['with two modules of one name', { modules: [SHEET, SHEET] }],
    ['with a module of two names', { modules: [{ ...SHEET, mbcsName: 'Sheet2' }] }],
    ['with a charset that nobody knows', { codePage: 9999 }],
    ['with no modules', { modules: [] }],
    ['with more modules than usual', { modules: Array.from({ length: 129 }, (_, i) => ({ name: `S${i}` })) }],
    ['with a long stream', { modules: [{ ...SHEET, pcode: '00'.repeat(200_000) }] }],
    ['of an old version', { version: 0x5e }],
    ['with a library on a server', { references: [registered('\\\\example.org\\a.tlb')] }],
    ['with a library that is a script', { references: [registered('script:https://example.org/a')] }],
    ['with a library on a server, as Office remembers it', { cachedLibrary: '\\\\example.org\\a.tlb' }],
    ['with another project', { references: [toProject('C:\\a.xls')] }],
  ])('%s is refused', async (_, project) => {
    const { status, body } = await send(withProject(project), 'a.xls');
    expect([status, body.detected, body.detail]).toEqual([415, EXCEL, MACROS]);
  });

  it.each<[string, (project: CompoundEntry) => CompoundEntry[]]>([
    ['beside another one', (project) => [project, { ...project, name: 'B' }]],
    ['outside of its storage', (project) => [{ ...project, entries: project.entries![0]!.entries! }]],
    [
      'without its list',
      ({ name, entries: [vba] = [] }) => [
        { name, entries: [{ name: 'VBA', entries: vba!.entries!.slice(1) }] },
      ],
    ],
  ])('%s is refused', async (_, change) => {
    const file = compoundFile([workbook([0]), ...change(vbaProject('_VBA_PROJECT_CUR'))]);
    expect((await send(file, 'a.xls')).body.detail).toBe(MACROS);
  });

  it('without code does not hide a sheet of Excel 4 macros', async () => {
    const file = compoundFile([workbook([0, 1]), vbaProject('_VBA_PROJECT_CUR')]);
    expect((await send(file, 'a.xls')).body.detail).toBe(MACROS);
  });

  it('that is damaged is an answer and never a failure', async () => {
    const whole = withProject();
    const statuses = new Set<number>();
    const start = whole.indexOf(Buffer.from(NO_PCODE, 'hex'));
    for (let i = 0; i < 60; i++) {
      const file = Buffer.from(whole);
      const random = noise(8, `vba ${i}`);
      file[Math.max(512, start - 1500 + (random.readUInt16LE(0) % 2000))] = random[3]!;
      statuses.add((await send(file, 'a.xls')).status);
    }
    expect([...statuses].sort()).toEqual([201, 415]);
  });
});

/** @param change gets the table of sectors, and the number of the first sector of the directory */
function patch(file: Buffer, change: (fat: Buffer, directory: number) => void): Buffer {
  const at = (file.readUInt32LE(76) + 1) * 512;
  change(file.subarray(at), file.readUInt32LE(48));
  return file;
}

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const PPTX = 'application/vnd.openxmlformats-officedocument.presentationml.presentation';
const ODT = 'application/vnd.oasis.opendocument.text';
const ODS = 'application/vnd.oasis.opendocument.spreadsheet';
const ODP = 'application/vnd.oasis.opendocument.presentation';

const renamed = (entries: readonly ZipEntry[], name: (old: string) => string) =>
  entries.map((entry) => ({ ...entry, name: name(entry.name) }));

/** The extra field with the name in UTF-8. */
function withUnicodeName(entry: ZipEntry, name: string): ZipEntry {
  const extra = Buffer.alloc(9 + name.length);
  extra.writeUInt16LE(0x7075, 0);
  extra.writeUInt16LE(5 + name.length, 2);
  extra[4] = 1;
  extra.write(name, 9);
  return { ...entry, extra };
}

const BINARY = 'application/vnd.ms-excel.sheet.binary.macroEnabled.12';
const embedsBinary = `<Default Extension="xlsb" ContentType="${BINARY}"/>`;
const rootOf = (mime: string) =>
  `<manifest:file-entry manifest:full-path="/" manifest:media-type="${mime}"/>`;
const withoutType = openDocument('spreadsheet', [], rootOf(ODS)).slice(1);

describe('a package of an Office program', () => {
  it.each<[string, Buffer, string, string]>([
    ['with a line behind its end', Buffer.concat([docx(), Buffer.from('\r\n')]), 'a.docx', DOCX],
    ['with zeros behind its end', Buffer.concat([docx(), Buffer.alloc(40_000)]), 'a.docx', DOCX],
    [
      'with a comment and zeros behind it',
      Buffer.concat([zip(openXml('docx'), { comment: 'by hand' }), Buffer.alloc(9)]),
      'a.docx',
      DOCX,
    ],
    [
      'with backslashes',
      zip(renamed(openXml('xlsx').toReversed(), (name) => name.replaceAll('/', '\\'))),
      'a.xlsx',
      XLSX,
    ],
    [
      'with backslashes in its relationships',
      zip(
        openXml('xlsx', '', { part: 'xl\\workbook.xml' }).map((e) => ({
          ...e,
          name: e.name.replaceAll('\\', '/'),
          data: e.name.startsWith('[') ? String(e.data).replace('xl\\', 'xl/') : e.data,
        })),
      ),
      'a.xlsx',
      XLSX,
    ],
    [
      'with its workbook elsewhere',
      zip(openXml('xlsx', '', { part: 'wtf/workbook.xml' }).toReversed()),
      'a.xlsx',
      XLSX,
    ],
    ['with its workbook at the root', zip(openXml('xlsx', '', { part: 'workbook.xml' })), 'a.xlsx', XLSX],
    [
      'that is a template',
      zip(
        openXml('docx', '', {
          type: 'application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml',
        }),
      ),
      'a.dotx',
      DOCX,
    ],
    [
      'that is a slide show',
      zip(
        openXml('pptx', '', {
          type: 'application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml',
        }),
      ),
      'a.ppsx',
      PPTX,
    ],
    [
      'with a workbook in binary form in it',
      docx([{ name: 'word/embeddings/a.xlsb', data: noise(900) }]),
      'a.docx',
      DOCX,
    ],
    [
      'with a workbook in binary form in it, declared',
      zip([...openXml('docx', embedsBinary), { name: 'word/embeddings/a.xlsb', data: noise(900) }]),
      'a.docx',
      DOCX,
    ],
    [
      'that could have macros and has none',
      zip(openXml('docx', '<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/>')),
      'a.docx',
      DOCX,
    ],
    [
      'with its names twice',
      zip(openXml('docx').map((entry) => withUnicodeName(entry, entry.name))),
      'a.docx',
      DOCX,
    ],
    ['that is a template of Writer', zip(openDocument('text-template')), 'a.ott', ODT],
    ['that is a template of Calc', zip(openDocument('spreadsheet-template')), 'a.ots', ODS],
    ['that is a template of Impress', zip(openDocument('presentation-template')), 'a.otp', ODP],
    ['that is a template, but not by its name', zip(openDocument('text-template')), 'a.odt', ODT],
    [
      'that is a template, of many chunks, whose type comes last',
      zip([media('Pictures', 250_000), ...openDocument('spreadsheet-template').toReversed()]),
      'a.ots',
      ODS,
    ],
    [
      'that is a template by its manifest',
      zip(openDocument('text', [], rootOf(`${ODT}-template`)).slice(1)),
      'a.ott',
      ODT,
    ],
    ['without a type', zip(withoutType), 'a.ods', ODS],
    [
      'without a type, of many chunks',
      zip([...withoutType, { name: 'Pictures/a.png', data: noise(500_000), stored: true }]),
      'a.ods',
      ODS,
    ],
    [
      'with an empty list of macros',
      zip(
        openDocument('spreadsheet', [
          { name: 'Basic/script-lc.xml', data: '<x/>' },
          { name: 'Basic/Standard/script-lb.xml', data: '<x/>' },
          { name: 'Scripts/', data: '' },
        ]),
      ),
      'a.ods',
      ODS,
    ],
  ])('%s is taken as it is', async (_, file, fileName, mime) => {
    await expectTaken(file, fileName, mime, fileName);
  });

  const macros = 'application/vnd.ms-word.document.macroenabled.12';
  const encrypted =
    '<manifest:file-entry manifest:full-path="a"><manifest:encryption-data/></manifest:file-entry>';

  it.each<[string, Buffer, string, string]>([
    [
      'whose macros are written with character references',
      zip(openXml('docx', '', { type: 'application/vnd.ms-word.document.macro&#69;nabled.main+xml' })),
      macros,
      MACROS,
    ],
    [
      'whose project is written with them',
      zip([
        ...openXml(
          'docx',
          '<Override PartName="/word/a.bin" ContentType="application/vnd.ms-office.vba&#x50;roject"/>',
        ),
        { name: 'word/a.bin', data: 'x' },
      ]),
      macros,
      MACROS,
    ],
    [
      'whose types are in UTF-16',
      zip(
        openXml('docx', '', { type: 'application/vnd.ms-word.document.macroEnabled.main+xml' }).map((e) =>
          e.name.startsWith('[')
            ? { ...e, data: Buffer.from(`\ufeff${String(e.data).replace('UTF-8', 'UTF-16')}`, 'utf16le') }
            : e,
        ),
      ),
      macros,
      MACROS,
    ],
    [
      'whose project is declared by extension',
      zip([
        ...openXml('docx', '<Default Extension="x" ContentType="application/vnd.ms-office.vbaProject"/>'),
        { name: 'word/a.x', data: 'x' },
      ]),
      macros,
      MACROS,
    ],
    [
      'with a sheet of Excel 4 macros',
      zip(
        openXml(
          'xlsx',
          '<Override PartName="/xl/macrosheets/sheet1.xml" ContentType="application/vnd.ms-excel.macrosheet+xml"/>',
        ),
      ),
      'application/vnd.ms-excel.sheet.macroenabled.12',
      MACROS,
    ],
    [
      'with a document with macros in it',
      zip([
        ...openXml(
          'docx',
          '<Default Extension="docm" ContentType="application/vnd.ms-word.document.macroEnabled.12"/>',
        ),
        { name: 'word/embeddings/a.docm', data: 'x' },
      ]),
      macros,
      MACROS,
    ],
    [
      'with a module of Basic',
      zip(openDocument('spreadsheet', [{ name: 'Basic/Standard/Module1.xml', data: '<x/>' }])),
      ODS,
      MACROS,
    ],
    ['with a script', zip(openDocument('text', [{ name: 'Scripts/python/a.py', data: 'x' }])), ODT, MACROS],
    [
      'that is a template with a module of Basic',
      zip(openDocument('text-template', [{ name: 'Basic/Standard/Module1.xml', data: '<x/>' }])),
      ODT,
      MACROS,
    ],
    [
      'with a script in an object',
      zip(openDocument('text', [{ name: 'Object 1/Scripts/python/a.py', data: 'x' }])),
      ODT,
      MACROS,
    ],
    ['of OpenDocument behind a password', zip(openDocument('text', [], encrypted)), ODT, PASSWORD],
    [
      'that is a workbook in binary form',
      zip(
        openXml('xlsx', '', {
          part: 'xl/workbook.bin',
          type: 'application/vnd.ms-excel.sheet.binary.macroEnabled.main',
        }),
      ),
      BINARY.toLowerCase(),
      'XLSB files are not accepted',
    ],
    [
      'that is a drawing',
      zip(
        openXml('xlsx', '', {
          part: 'visio/document.xml',
          type: 'application/vnd.ms-visio.drawing.main+xml',
        }),
      ),
      'application/vnd.ms-visio.drawing',
      'application/vnd.ms-visio.drawing files are not accepted',
    ],
    [
      'of which nothing says what it is',
      zip(openXml('xlsx').filter(({ name }) => name !== '_rels/.rels')),
      'application/zip',
      'ZIP files are not accepted',
    ],
    [
      'that says two things',
      zip(
        openXml('xlsx').map((e) =>
          e.name === '_rels/.rels'
            ? {
                ...e,
                data: `${String(e.data).replace('</Relationships>', '')}<Relationship Type="http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument" Target="/b.xml"/></Relationships>`,
              }
            : e,
        ),
      ),
      'application/zip',
      'The archive holds two documents at once',
    ],
    [
      'with an entity of its own',
      zip(
        openXml('docx').map((e) =>
          e.name.startsWith('[') ? { ...e, data: '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>' } : e,
        ),
      ),
      'application/zip',
      'The archive is damaged',
    ],
    [
      'with two names for one entry',
      zip(openXml('docx').map((entry) => withUnicodeName(entry, 'word/vbaProject.bin'))),
      'application/zip',
      'The archive has an entry with an invalid name',
    ],
    [
      'with words behind its end',
      Buffer.concat([docx(), Buffer.from('\n\nx')]),
      'application/zip',
      'The archive is damaged: it has no end',
    ],
    [
      'with types that take long to read',
      zip(openXml('docx', '<a>'.repeat(300_000))),
      'application/zip',
      'The archive is damaged',
    ],
  ])('%s is refused', async (_, file, detected, detail) => {
    const { status, body } = await send(file, 'a.docx');
    expect([status, body.detected]).toEqual([415, detected]);
    expect(body.detail.split('. Accepted')[0]).toBe(detail);
  });

  it('that embeds another one is told by itself', async () => {
    const file = docx([{ name: 'word/embeddings/a.xlsx', data: xlsx() }]);
    await expectTaken(file, 'a.docx', DOCX, 'a.docx');
  });
});
