import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MUTANTS } from '../crash/mutations.js';

/** They run by hand, so nobody would notice for long that the code has changed under them. */
it.each(MUTANTS)('the mutant "$name" can be made of the code as it is', async ({ patches }) => {
  const names = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'));
  const texts = await Promise.all(
    names.map(async (name) => ({ name, text: await readFile(join('src', name), 'utf8') })),
  );
  for (const { file = '.ts', from } of patches) {
    const places = texts
      .filter(({ name }) => name.endsWith(file))
      .flatMap(({ text }) => text.split(from).slice(1));
    expect([from, places.length]).toEqual([from, 1]);
  }
});
