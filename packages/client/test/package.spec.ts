import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import { pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';

jest.setTimeout(120_000);

const ROOT = join(import.meta.dirname, '../../..');
const PACKAGE = join(import.meta.dirname, '..');
const run = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

let directory: string;
let project: string;
let packed: Packed;

/** As somebody who has nothing but the archive: an empty project, no network. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'mediadock-pack-'));
  project = join(directory, 'project');
  await mkdir(project);
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: PACKAGE });
  [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [Packed];
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  await run('npm', ['install', '--offline', '--no-audit', join(directory, packed.filename)], {
    cwd: project,
  });
});
afterAll(() => rm(directory, { recursive: true }));

it('has what was built, the license, the recipes and the types, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([
      ...['LICENSE', 'README.md', 'package.json', 'recipes/uppy.md', 'recipes/react.ts'],
      ...['dist/browser.js', 'dist/browser.d.ts', 'dist/node.js', 'dist/node.d.ts', 'dist/cli.js'],
      'dist/md5-worker.js',
    ]),
  );
  expect(
    paths.filter((path) => !/^(dist\/[\w-]+(\.d\.ts|\.js)|recipes\/[\w-]+\.(md|js|ts)|[\w.]+)$/.test(path)),
  ).toEqual([]);
});

it('says where it comes from, and is published for everybody, with provenance', async () => {
  const manifest = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
  expect(manifest).toMatchObject({
    license: 'MIT',
    repository: { type: 'git', directory: 'packages/client' },
    publishConfig: { access: 'public', provenance: true },
  });
  expect(await readFile(join(PACKAGE, 'LICENSE'), 'utf8')).toBe(
    await readFile(join(ROOT, 'LICENSE'), 'utf8'),
  );
});

it('has the same name, version and license on npm and on JSR', async () => {
  const [npm, jsr] = await Promise.all(
    ['package.json', 'jsr.json'].map(async (path) => JSON.parse(await readFile(join(PACKAGE, path), 'utf8'))),
  );
  expect([jsr.name, jsr.version, jsr.license]).toEqual([npm.name, npm.version, npm.license]);
  expect(Object.keys(jsr.exports)).toEqual(Object.keys(npm.exports));
});

it('uploads by npx and its name', async () => {
  const app = await TestApp.start();
  const path = join(directory, 'a.pdf');
  await writeFile(path, pdf(300_000));
  const args = ['--no', '@mediadock/client', path, '--json', '--url', app.url, '--token', await app.token()];
  const env = { ...process.env, XDG_STATE_HOME: directory };
  const { stdout } = await run('npx', args, { cwd: project, env });
  await app.stop();
  expect(JSON.parse(stdout)).toMatchObject({ title: 'a.pdf', size: 300_000 });
});

it('is imported by Node, and has types for Node and for browsers', async () => {
  const script = `import { upload, uploadAll, md5, JsonFileStore } from '@mediadock/client';
    console.log(typeof upload, typeof uploadAll, await md5(Buffer.from('a')), typeof JsonFileStore);`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project });
  expect(stdout).toBe('function function 0cc175b9c0f1b6a831c399e269772661 function\n');
  const use = (
    input: string,
    entry = '',
  ) => `import { upload, type Media, type UploadError } from '@mediadock/client${entry}';
    const running = upload(${input}, { url: 'http://localhost:3000', token: () => 'a' });
    running.on('progress', ({ bytes }) => bytes.toFixed()).on('retry', ({ error }: { error: UploadError }) => error.code);
    export const media: Promise<Media> = running.media;`;
  await writeFile(join(project, 'node.ts'), use(`'a.pdf'`));
  await writeFile(join(project, 'page.ts'), use(`new File([], 'a')`));
  await writeFile(join(project, 'server.ts'), use(`'a.pdf'`, '/node'));
  const tsc = async (file: string, module: string, moduleResolution: string) => {
    const compilerOptions = {
      ...{ module, moduleResolution, noEmit: true, strict: true, target: 'es2022', types: [] },
      lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
    const args = [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project];
    return await run(process.execPath, args).catch((error: { stdout: string }) => error);
  };
  expect(await tsc('node.ts', 'nodenext', 'nodenext')).toMatchObject({ stdout: '' });
  expect(await tsc('page.ts', 'esnext', 'bundler')).toMatchObject({ stdout: '' });
  // Bundlers that build for a server resolve types as for a page.
  expect(await tsc('server.ts', 'esnext', 'bundler')).toMatchObject({ stdout: '' });
});
