import fc from 'fast-check';
import { MultipartError } from './body.errors.js';
import { boundaryOf, parseMultipart } from './multipart.js';

/** As a browser writes it: the platform's own encoder. */
async function encode(form: FormData): Promise<{ body: Buffer; boundary: string }> {
  const request = new Request('http://localhost', { method: 'POST', body: form });
  const boundary = boundaryOf(request.headers.get('content-type') ?? undefined) ?? '';
  return { body: Buffer.from(await request.arrayBuffer()), boundary };
}

describe('parseMultipart', () => {
  it('reads back any bytes and names that a browser sends', async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
      .filter((text) => !/[\r\n"\\\0]/.test(text));
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 2000 }),
        name,
        fc.string(),
        async (bytes, fileName, value) => {
          const form = new FormData();
          form.append('field', value.replace(/[\r\n]/g, ''));
          form.append('image', new Blob([bytes as Uint8Array<ArrayBuffer>]), fileName);
          const { body, boundary } = await encode(form);
          const [field, file] = parseMultipart(body, boundary);
          expect(field?.data.toString()).toBe(value.replace(/[\r\n]/g, ''));
          expect(file).toMatchObject({
            name: 'image',
            filename: fileName,
            contentType: 'application/octet-stream',
          });
          expect(file?.data.equals(bytes)).toBe(true);
        },
      ),
    );
  });

  it('never throws anything but its own error, whatever a byte is changed to', async () => {
    const form = new FormData();
    form.append('upload_id', '0123456789abcdef0123456789abcdef');
    form.append('image', new Blob(['%PDF-1.7 and so on']), 'a.pdf');
    const { body, boundary } = await encode(form);
    fc.assert(
      fc.property(
        fc.nat(body.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(body.length),
        (at, value, length) => {
          const mutant = Buffer.from(body.subarray(0, length));
          if (at < length) mutant[at] = value;
          try {
            parseMultipart(mutant, boundary);
          } catch (error) {
            expect(error).toBeInstanceOf(MultipartError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('takes an unquoted, an escaped and an extended file name', () => {
    const names = [
      'filename=a.pdf',
      'filename="a\\"b.pdf"',
      `filename="x"; filename*=UTF-8''gr%C3%BC%C3%9Fe.pdf`,
    ].map((filename) => {
      const body = Buffer.from(
        `--b\r\ncontent-disposition: form-data; name=image; ${filename}\r\n\r\nx\r\n--b--\r\n`,
      );
      return parseMultipart(body, 'b')[0]?.filename;
    });
    expect(names).toEqual(['a.pdf', 'a"b.pdf', 'grüße.pdf']);
  });

  const PART = '--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n--b--';

  it.each(['\r\n', '\r\n\r\n'])('takes blank lines before the first boundary: %j', (lines) => {
    expect(parseMultipart(Buffer.from(`${lines}${PART}\r\n`), 'b')[0]?.data.toString()).toBe('x');
  });

  it.each(['', '\n', '\r\n', '\r\n\r\n', '\n\n'])('takes line ends behind the last boundary: %j', (ends) => {
    expect(parseMultipart(Buffer.from(`${PART}${ends}`), 'b')[0]?.data.toString()).toBe('x');
  });

  it.each([
    ['\r', ''],
    ['\n', ''],
    [' ', ''],
    ['\r\n ', ''],
    ['a\r\n', ''],
    ['\r\n'.repeat(5), ''],
    ['', '-'],
    ['', '\r\n '],
    ['', '\r\n--b--'],
    ['', '\n'.repeat(9)],
  ])('takes nothing else around them: %j, %j', (before, behind) => {
    expect(() => parseMultipart(Buffer.from(`${before}${PART}${behind}`), 'b')).toThrow(
      /start with its boundary|bytes after the last/,
    );
  });

  it('leaves a boundary that is no line of its own in the data', () => {
    const body = Buffer.from('--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx--b y\n--b\r\n--b--');
    expect(parseMultipart(body, 'b')[0]?.data.toString()).toBe('x--b y\n--b');
  });
});
