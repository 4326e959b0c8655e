import { upload } from '../src/node.js';
import { serverUrl } from '../src/server-url.js';

const inPage = (protocol: string | undefined) =>
  Object.defineProperty(globalThis, 'location', { value: protocol && { protocol }, configurable: true });
afterEach(() => inPage(undefined));

const BAD: [string, string | undefined][] = [
  ['is missing', undefined],
  ['is missing', ''],
  ['is missing', ' / '],
  ['must start with http:// or https://', 'localhost:3000'],
  ['must start with http:// or https://', 'media.example.org'],
  ['must start with http:// or https://', '127.0.0.1:3000'],
  ['must start with http:// or https://', 'http:localhost:3000'],
  ['must start with http:// or https://', 'htp://localhost'],
  ['must start with http:// or https://', 'file:///tmp'],
  ['must start with http:// or https://', '/media-api'],
  ['must start with http:// or https://', 'http://'],
  ['must start with http:// or https://', 'http://localhost:99999'],
  ['must start with http:// or https://', 'http://a b'],
  ['must not contain', 'https://me:secret@media.example.org'],
  ['must not contain', 'https://media.example.org/?a=b'],
  ['must not contain', 'https://media.example.org/#a'],
];

describe('the address of the server', () => {
  it.each([
    ['http://localhost:3000', 'http://localhost:3000'],
    ['https://media.example.org/', 'https://media.example.org'],
    [' HTTPS://media.example.org/media-api//\n', 'HTTPS://media.example.org/media-api'],
    [new URL('http://[::1]:3000'), 'http://[::1]:3000'],
  ])('may be %s', (url, address) => {
    expect(serverUrl(url)).toBe(address);
  });

  it.each([
    [undefined, ''],
    ['/', ''],
    ['/media-api/', '/media-api'],
    ['./media-api', './media-api'],
    ['//media.example.org', '//media.example.org'],
  ])('on a page may be %s', (url, address) => {
    inPage('https:');
    expect(serverUrl(url)).toBe(address);
  });

  it('on a page is no host alone, and where there is no origin it is no path', () => {
    inPage('https:');
    expect(() => serverUrl('media.example.org')).toThrow('must start with http:// or https://');
    expect(() => serverUrl('localhost:3000')).toThrow('must start with http:// or https://');
    inPage('blob:');
    expect(() => serverUrl('/media-api')).toThrow('must start with http:// or https://');
  });

  it.each(BAD)('%s: %s fails at once', async (message, url) => {
    const sent: unknown[] = [];
    const fetch = async (...request: unknown[]) => sent.push(request) as never;
    const running = upload(Buffer.from('a'), { ...(url !== undefined && { url }), token: 't', fetch });
    const error = await running.media.catch((error: unknown) => error as Error);
    expect(error).toMatchObject({ code: 'bad-url', message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain('secret');
    expect(sent).toEqual([]);
  });
});

it('a token that no header can hold fails at once, and is not shown', async () => {
  const running = upload(Buffer.from('a'), { url: 'http://localhost:1', token: 'sec\nret' });
  const error = await running.media.catch((error: unknown) => error as Error);
  expect(error).toMatchObject({ code: 'bad-header', cause: undefined });
  expect((error as Error).message).toBe('The header Authorization contains invalid characters');
});
