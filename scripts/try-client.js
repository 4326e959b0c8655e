// @ts-check
// `npm run client:try [-- vite next node bun deno]`: packs the client and tries it as a new user would. It puts the
// code from the README and the React recipe into new projects, checks types, builds, uploads to a real server, and
// compares bytes. Needs the npm registry. Opens pages in Chromium, if that is installed.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { freePort } from './free-port.js';
import { startServer } from './start-server.js';

const CHROMIUM = '/usr/bin/chromium';
const CLIENT = 'packages/client';
/** The file that the code in the README uploads. */
const FILE = 'report.pdf';

process.chdir(join(import.meta.dirname, '..'));
const directory = await mkdtemp(join(tmpdir(), 'mediadock-try-'));

const KINDS = {
  async vite() {
    const [readme] = await blocks('README.md', 'js');
    const project = await fresh('vite', { 'src/readme.ts': readme, ...(await recipe('src')) });
    await run(project, 'tsc');
    await run(project, 'vite', 'build');
    for (const command of ['dev', 'preview'])
      await serving(project, ['vite', command, '--strictPort'], async (url) => {
        await play(project, url, '#picked', '#image[src=""]');
        await play(project, url, 'main input', 'main a');
      });
  },

  async next() {
    const [, readme] = await blocks('README.md', 'js');
    const project = await fresh('next', { 'app/upload/readme.ts': readme, ...(await recipe('app')) });
    await run(project, 'next', 'build');
    await serving(project, ['next', 'start'], async (url) => {
      assert.match(await (await fetch(url)).text(), /<section><input type="file"/, 'rendered on the server');
      await arrives(project, () => fetch(`${url}/upload`, { method: 'POST' }));
      await play(project, url, 'section input', 'section a');
    });
  },

  async node() {
    const project = await script('node');
    await run(project, 'tsc');
    await arrives(project, () => run(project, process.execPath, 'main.js'));
  },

  async bun() {
    const project = await script('bun');
    await run(project, process.execPath, 'node_modules/bun/install.js');
    await arrives(project, () => run(project, 'bun', 'main.ts'));
  },

  async deno() {
    const project = await script('deno');
    await run(project, process.execPath, 'node_modules/deno/install.cjs');
    await run(project, 'deno', 'check', 'main.ts');
    await arrives(project, () => run(project, 'deno', 'run', '--allow-all', 'main.ts'));
    // The checks of JSR, which publishes sources and completes their imports.
    for (const part of ['src', 'jsr.json', 'README.md', 'LICENSE'])
      await cp(join(CLIENT, part), join(project, 'jsr', part), { recursive: true });
    const publish = ['publish', '--dry-run', '--allow-dirty', '--unstable-sloppy-imports'];
    await run(join(project, 'jsr'), join(project, 'node_modules/.bin/deno'), ...publish);
  },
};

/** @type {Awaited<ReturnType<typeof startServer>>} */
let running = /** @type {any} */ (undefined);
/** @type {string} */
let archive;

const kinds = process.argv.slice(2);
const unknown = kinds.find((kind) => !(kind in KINDS));
if (unknown) throw new Error(`${unknown} is not one of ${Object.keys(KINDS).join(', ')}`);
try {
  archive = (await run(CLIENT, 'npm', 'pack', '--silent', '--pack-destination', directory)).trim();
  running = await startServer(join(directory, 'data'));
  for (const [kind, attempt] of Object.entries(KINDS)) {
    if (kinds.length > 0 && !kinds.includes(kind)) continue;
    const startedAt = performance.now();
    await attempt();
    console.log(`${kind}: uploaded and compared, ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
} finally {
  if (running) {
    running.server.kill();
    await once(running.server, 'exit');
  }
  await rm(directory, { recursive: true, force: true });
}

/** The code blocks of a page, with the URL of our server. @param {string} page @param {string} language */
async function blocks(page, language) {
  const text = await readFile(join(CLIENT, page), 'utf8');
  const found = [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))];
  return found.map(([, code = '']) => code.replace('http://localhost:3000', running.url));
}

/** @param {string} folder */
async function recipe(folder) {
  const [hook] = await blocks('recipes/react.md', 'ts');
  const [component] = await blocks('recipes/react.md', 'tsx');
  return {
    [`${folder}/useUpload.ts`]: hook,
    [`${folder}/Uploader.tsx`]: `'use client';\n${component}`,
  };
}

/** A project with the README's code for Node.js. @param {string} kind */
async function script(kind) {
  const [, readme] = await blocks('README.md', 'js');
  return await fresh(kind, { 'main.js': readme, 'main.ts': readme });
}

/** @param {string} kind @param {Record<string, string | undefined>} files */
async function fresh(kind, files) {
  const project = join(directory, kind);
  await cp(join('scripts/try-client', kind), project, { recursive: true });
  for (const [path, text = ''] of Object.entries(files)) await writeFile(join(project, path), text);
  const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--silent'];
  await run(project, 'npm', 'install', ...options, join(directory, archive));
  return project;
}

/** @param {string} project */
function environmentOf(project) {
  return {
    ...process.env,
    PATH: [join(project, 'node_modules/.bin'), process.env['PATH']].join(delimiter),
    MEDIADOCK_TOKEN: running?.token,
    NEXT_TELEMETRY_DISABLED: '1',
    NO_COLOR: '1',
  };
}

/** @param {string} cwd @param {string} command @param {string[]} args */
async function run(cwd, command, ...args) {
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env: environmentOf(cwd) });
    return stdout;
  } catch (cause) {
    const { stdout = '', stderr = '' } = /** @type {{ stdout?: string, stderr?: string }} */ (cause);
    throw new Error(`${[command, ...args].join(' ')} failed:\n${stdout}${stderr}`, { cause });
  }
}

/** @param {string} cwd @param {string[]} command @param {(url: string) => Promise<void>} use */
async function serving(cwd, [command = '', ...args], use) {
  const port = String(await freePort());
  const server = spawn(command, [...args, '--port', port], { cwd, env: environmentOf(cwd) });
  let printed = '';
  server.stderr.on('data', (text) => (printed += text));
  try {
    await new Promise((resolve, reject) => {
      server.stdout.on('data', (text) => (printed += text).includes(`localhost:${port}`) && resolve(port));
      server.on('exit', () => reject(new Error(`${command} ended before it was ready`)));
    });
    await use(`http://localhost:${port}`);
  } catch (cause) {
    throw new Error(`${command} printed:\n${printed}`, { cause });
  } finally {
    server.kill();
  }
}

/**
 * Uploads a new file, and compares the bytes that the server stored.
 * @param {string} project @param {() => Promise<unknown>} upload
 */
async function arrives(project, upload) {
  const bytes = Buffer.concat([Buffer.from('%PDF-1.7\n'), randomBytes(500_000)]);
  await writeFile(join(project, FILE), bytes);
  await upload();
  const headers = { authorization: `Bearer ${running.token}` };
  const { results } = await (await fetch(`${running.url}/api/v2/media/?limit=1`, { headers })).json();
  const stored = await (await fetch(results[0].url)).arrayBuffer();
  assert.ok(Buffer.from(stored).equals(bytes), 'the newest file differs from the upload');
  assert.equal(results[0].title, FILE);
}

/**
 * Selects a file on a page, and waits until the page shows that it has been uploaded.
 * @param {string} project @param {string} url @param {string} input @param {string} done
 */
async function play(project, url, input, done) {
  if (!existsSync(CHROMIUM)) return console.log(`Not opening ${url}: there is no ${CHROMIUM}`);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    /** @type {string[]} */
    const complaints = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', ({ message }) => complaints.push(message));
    await page.route('**/my/token', (route) => route.fulfill({ body: running.token }));
    await page.goto(url);
    await arrives(project, async () => {
      await page.setInputFiles(input, join(project, FILE));
      await page.locator(done).waitFor({ state: 'attached' });
    });
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
}
