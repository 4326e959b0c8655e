import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { minify } from '@swc/core';

const MAX_BYTES = 10_000;

/** All modules that a browser loads, the worker too, from the entry on. */
async function modules(url: URL, seen = new Map<string, string>()): Promise<Map<string, string>> {
  if (seen.has(url.href)) return seen;
  const code = await readFile(url, 'utf8');
  seen.set(url.href, code);
  for (const [, path] of code.matchAll(/(?:from\s+|import\s*\(?\s*|new URL\()['"]([^'"]+)['"]/g)) {
    if (!path!.startsWith('.')) throw new Error(`${url.pathname} imports ${path}`);
    await modules(new URL(path!, url), seen);
  }
  return seen;
}

describe('what a browser loads', () => {
  const entry = new URL('../dist/browser.js', import.meta.url);

  it('is its own modules alone, none of Node', async () => {
    const names = [...(await modules(entry)).keys()].map((url) => url.split('/').at(-1));
    expect(names).toEqual(expect.arrayContaining(['upload.js', 'md5-worker.js', 'local-storage-store.js']));
    expect(names).not.toContain('file-source.js');
    await expect(modules(new URL('node.js', entry))).rejects.toThrow('imports node:');
  });

  it(`has at most ${MAX_BYTES} bytes, minified and compressed`, async () => {
    const all = await Promise.all(
      [...(await modules(entry)).values()].map(async (code) => await minify(code, { module: true })),
    );
    const bytes = gzipSync(all.map(({ code }) => code).join('\n')).length;
    expect(bytes).toBeLessThan(MAX_BYTES);
    expect(bytes).toBeGreaterThan(1000);
  });
});
