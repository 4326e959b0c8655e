import { contentType } from './content-type.js';
import { saveName } from './file-name.js';

describe('saveName', () => {
  it.each([
    ['a.pdf', 'application/pdf', 'a.pdf'],
    ['a.PDF', 'application/pdf', 'a.PDF'],
    ['a.php', 'application/pdf', 'a.pdf'],
    ['a.pdf.php', 'application/pdf', 'a.pdf.pdf'],
    ['a.exe', 'image/jpeg', 'a.jpg'],
    ['a.jpeg', 'image/jpeg', 'a.jpeg'],
    ['a.html', 'text/plain', 'a.txt'],
    ...['md', 'vcf', 'ics', 'tex', 'log', 'MD'].map((extension) => [
      `a.${extension}`,
      'text/plain',
      `a.${extension}`,
    ]),
    ['Fr.Meier', 'text/plain', 'Fr.Meier.txt'],
    ['St. Gallen', 'image/png', 'St. Gallen.png'],
    ['a.py', 'text/plain', 'a.py.txt'],
    ['a.js', 'text/plain', 'a.txt'],
    ['.htaccess', 'text/plain', '.htaccess.txt'],
    ['report v1.2', 'application/pdf', 'report v1.2.pdf'],
    ['a.desktop', 'text/plain', 'a.desktop.txt'],
    ['a.toolong', 'text/plain', 'a.toolong.txt'],
    ['Dr. No', 'application/pdf', 'Dr. No.pdf'],
    ['a.php.', 'application/pdf', 'a.php..pdf'],
    ['写真', 'image/png', '写真.png'],
  ])('saves %j, which is %s, as %j', (title, mime, expected) => {
    expect(saveName(title, contentType(mime)!)).toBe(expected);
  });
});
