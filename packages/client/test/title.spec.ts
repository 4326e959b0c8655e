import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { upload } from '../src/node.js';
import { Stage } from './setup/stage.js';

const file = pdf(300_000);

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  app = await TestApp.start();
});
afterAll(() => app.stop());
beforeEach(async () => {
  stage = await Stage.set(app);
});
afterEach(() => stage.strike());

describe('an upload from another device is found again by its name', () => {
  it.each([
    'plain.pdf',
    '  leading and trailing blanks.pdf  ',
    'C:\\Users\\me\\back slashes.pdf',
    'dir/with slashes.pdf',
    'ends with a slash/',
    'joiners \u200d\u200c and a family \u{1f468}\u200d\u{1f469}\u200d\u{1f467}.pdf',
    'byte order mark \ufeff, soft\u00adhyphen.pdf',
    'right to left \u202efdp.exe',
    'decomposed u\u0308.pdf',
    'line\nbreak\r\n, tab\t, bell\u0007, \u2028.pdf',
    'lone surrogate \ud800.pdf',
    'quotes "a" and %22b%22, %0A, %0d, %25, 100%.pdf',
    'semi;colon; filename="x".pdf',
    '\u00a0no-break space\u3000',
    `${'long '.repeat(80)}.pdf`,
    `${'\u{1f600}'.repeat(300)}.pdf`,
    `${'e\u0301'.repeat(200)}.pdf`,
    'blob',
    '.',
    '..',
    '\u200d',
    ' ',
  ])('%j', async (name) => {
    const client = await stage.client();
    const { body } = await client.slice(file, 0, 204_800, undefined, { fileName: name });
    const running = upload(file, { ...stage.options, name, resume: 'anywhere' });
    await stage.expectOnly(await running.media, file);
    expect(running.uploadId).toBe(body.upload_id);
  });
});

describe('a text from a Buffer keeps its name as its title', () => {
  it.each([
    'notes.txt',
    'notes',
    'NOTES.TXT',
    'notes.md',
    'Größe 写真.txt',
    'table.csv',
    'photo.jpg',
    'page.html',
    'a.json',
  ])('%j', async (name) => {
    const media = await upload(Buffer.from('a,b\n1,2\n'), { ...stage.options, name }).media;
    const [listed] = (await (await stage.client()).send('GET', '/api/v2/media/')).body.results;
    expect([media.title, listed.title]).toEqual([name, name]);
  });

  it('that is longer than a chunk, too', async () => {
    const text = Buffer.from('All of it.\n'.repeat(30_000));
    const media = await upload(text, { ...stage.options, name: 'notes.txt' }).media;
    expect(media).toMatchObject({ title: 'notes.txt', mimetype: 'text/plain', size: text.length });
    await stage.expectOnly(media, text);
  });
});
