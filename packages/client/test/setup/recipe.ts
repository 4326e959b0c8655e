import { readFile } from 'node:fs/promises';

const RECIPES = new URL('../../recipes/', import.meta.url);

/** A recipe as its page shows it: the test fails when page and code differ. */
export async function recipe<Module>(name: string, language: 'js' | 'ts' = 'js'): Promise<Module> {
  const code = await readFile(new URL(`${name}.${language}`, RECIPES), 'utf8');
  const page = await readFile(new URL(`${name}.md`, RECIPES), 'utf8');
  if (!page.includes(`\`\`\`${language}\n${code}\`\`\``))
    throw new Error(`${name}.md does not show ${name}.${language} as it is`);
  return (await import(new URL(`${name}.${language}`, RECIPES).href)) as Module;
}

/** The shell commands of a page, block by block. */
export async function commands(name: string): Promise<string[]> {
  const page = await readFile(new URL(`${name}.md`, RECIPES), 'utf8');
  return [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!);
}
