import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { FaultPlan } from '../../../test/setup/faulty-proxy.js';
import { jpeg, pdf } from '../../../test/setup/samples.js';
import { TestApp } from '../../../test/setup/test-app.js';
import { CHUNK_PATH, gate, Stage } from './setup/stage.js';

const CLI = join(import.meta.dirname, '../dist/cli.js');
const file = pdf(900_000);

let app: TestApp;
let stage: Stage;

beforeAll(async () => {
  if (!existsSync(CLI)) throw new Error('Build the client first: npm run build');
  app = await TestApp.start();
});
afterAll(() => app.stop());
afterEach(() => stage.strike());

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; out: string; err: string }>;
}

/** As a user of this stage, whose home is its own. */
async function run(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Run> {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: {
      HOME: await home(),
      MEDIADOCK_URL: stage.proxy.url,
      MEDIADOCK_TOKEN: stage.token,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([once(child, 'close'), text(child.stdout!), text(child.stderr!)]).then(
    ([[code], out, err]) => ({ code: code as number | null, out, err }),
  );
  return { child, ended };
}

const homes = new WeakMap<Stage, Promise<string>>();
async function home(): Promise<string> {
  const known = homes.get(stage) ?? stage.directory();
  homes.set(stage, known);
  return await known;
}

describe('mediadock-upload', () => {
  it('uploads files and prints their URLs', async () => {
    stage = await Stage.set(app);
    const image = await jpeg(90, 70);
    const paths = [await stage.file(file), await stage.file(image, 'photo.jpg')];
    const { code, out, err } = await (await run(paths)).ended;
    expect(err.split('\n').sort()).toEqual([
      '',
      'a b.pdf: 900000 bytes',
      'a b.pdf: done',
      `photo.jpg: ${image.length} bytes`,
      'photo.jpg: done',
    ]);
    const urls = out.trim().split('\n');
    expect([code, urls.length]).toEqual([0, 2]);
    const stored = await Promise.all(
      urls.map(async (url) => Buffer.from(await (await fetch(url)).arrayBuffer())),
    );
    expect([stored[0]!.equals(file), stored[1]!.equals(image)]).toEqual([true, true]);
  });

  it('prints each Media as JSON, and no progress, when told so', async () => {
    stage = await Stage.set(app);
    const args = [await stage.file(await jpeg(90, 70), 'a.jpg'), '--json', '--quiet', '--type', 'eimage'];
    const given = ['--url', `${stage.proxy.url}/`, '--token', stage.token];
    const { code, out, err } = await (
      await run([...args, ...given], { MEDIADOCK_URL: 'http://localhost:1', MEDIADOCK_TOKEN: 'no' })
    ).ended;
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out)).toMatchObject({ type: 'eimage', title: 'a.jpg', image_width: 90 });
  });

  it('uploads what it can, says what it cannot, and exits with 1', async () => {
    stage = await Stage.set(app);
    const bad = await stage.file(Buffer.from('<!doctype html>'), 'page.html');
    const { code, out, err } = await (await run([bad, await stage.file(file), '/nowhere'])).ended;
    expect([code, out.trim().split('\n').length]).toEqual([1, 1]);
    expect(err).toContain(`${bad}: HTML files are not accepted. Accepted are JPG, `);
    expect(err).toContain('CSV (unsupported-content)\n/nowhere: ENOENT');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('goes on after %s, with the rest alone', async (signal) => {
    const [reached, release] = [gate(), gate()];
    const plan: FaultPlan = async ({ path, turn }) => {
      if (path === CHUNK_PATH && turn === 2) {
        reached.open();
        await release.opened;
        return { status: 500, headers: {}, body: Buffer.alloc(0) };
      }
      return undefined;
    };
    stage = await Stage.set(app, plan);
    const path = await stage.file(file);
    const first = await run([path]);
    await reached.opened;
    first.child.kill(signal);
    const { code, out, err } = await first.ended;
    release.open();
    expect([code, out]).toEqual([130, '']);
    expect(err).toBe('a b.pdf: 900000 bytes\nInterrupted. Run the same command again to resume.\n');
    const second = await (await run([path, '--json'])).ended;
    expect([second.code, second.err]).toEqual([
      0,
      'a b.pdf: resuming at 409600 of 900000 bytes\na b.pdf: done\n',
    ]);
    expect(stage.ranges().slice(3)).toEqual([
      '409600-614399/900000',
      '614400-819199/900000',
      '819200-899999/900000',
    ]);
    await stage.expectOnly(JSON.parse(second.out), file);
  });

  it('goes on after it was killed', async () => {
    const [reached, release] = [gate(), gate()];
    stage = await Stage.set(app, async ({ path, turn }) => {
      if (path !== CHUNK_PATH || turn !== 3) return undefined;
      reached.open();
      await release.opened;
      return { status: 500, headers: {}, body: Buffer.alloc(0) };
    });
    const args = [await stage.file(file), '--state', join(await stage.directory(), 'deep', 'state.json')];
    const first = await run(args);
    await reached.opened;
    first.child.kill('SIGKILL');
    await first.ended;
    release.open();
    const second = await (await run(args)).ended;
    expect(second.err).toBe('a b.pdf: resuming at 614400 of 900000 bytes\na b.pdf: done\n');
  });

  it('keeps its state where XDG says, for its owner alone, and nothing of what is done', async () => {
    const bad = { status: 401, headers: {}, body: Buffer.alloc(0) };
    stage = await Stage.set(app, ({ path, turn }) => (path === CHUNK_PATH && turn === 1 ? bad : undefined));
    const args = [await stage.file(file)];
    const env = { XDG_STATE_HOME: await stage.directory() };
    const first = await (await run(args, env)).ended;
    expect([first.code, first.err]).toEqual([1, expect.stringContaining('http-401')]);
    const path = join(env.XDG_STATE_HOME, 'mediadock', 'uploads.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const state = await readFile(path, 'utf8');
    expect(Object.values(JSON.parse(state))).toEqual([
      { uploadId: expect.any(String), idempotencyKey: expect.any(String), expires: expect.any(String) },
    ]);
    expect(state).not.toContain('a b.pdf');
    expect((await (await run(args, env)).ended).code).toBe(0);
    expect(await readFile(path, 'utf8')).toBe('{}');
  });

  it('six at once with one state upload their files, and remember nothing that is done', async () => {
    stage = await Stage.set(app);
    const state = join(await stage.directory(), 'state.json');
    const runs = Array.from({ length: 6 }, async (_, n) => {
      const path = await stage.file(pdf(400_000 + n), `${n}.pdf`);
      return await (
        await run([path, '--quiet', '--state', state])
      ).ended;
    });
    const ended = await Promise.all(runs);
    expect(ended.map(({ code, err }) => [code, err])).toEqual(Array(6).fill([0, '']));
    expect(await readFile(state, 'utf8')).toBe('{}');
  });

  it('uploads where its state cannot be kept, and says once that it remembers nothing', async () => {
    stage = await Stage.set(app);
    const state = join(await stage.file(file, 'a file'), 'state.json');
    const paths = [await stage.file(file), await stage.file(pdf(500_000), 'b.pdf')];
    const { code, err } = await (await run([...paths, '--quiet', '--state', state])).ended;
    expect([code, err.split('\n')]).toEqual([
      0,
      [expect.stringMatching(/^mediadock-upload: Unfinished uploads are not remembered: ENOTDIR/), ''],
    ]);
  });

  it('says that it does not use the proxy of the environment', async () => {
    stage = await Stage.set(app);
    const proxy = { HTTPS_PROXY: 'http://proxy.invalid:3128' };
    const { child, ended } = await run([await stage.file(file), '--url', 'https://media.invalid'], proxy);
    const [told] = (await once(child.stderr!, 'data')) as [Buffer];
    child.kill();
    await ended;
    expect(String(told)).toMatch(/^mediadock-upload: HTTPS_PROXY is set, but this Node does not use it: /);
  });

  it.each<[string, string[], Record<string, string | undefined>, string]>([
    ['no file', [], {}, 'No files given'],
    ['no server', ['f'], { MEDIADOCK_URL: undefined }, '--url or MEDIADOCK_URL is missing'],
    ['no URL', ['f', '--url', 'ftp://a'], {}, '"ftp://a" is not the address of a server'],
    ['a host alone', ['f', '--url', 'localhost:3000'], {}, '"localhost:3000" is not the address of a server'],
    ['no token', ['f'], { MEDIADOCK_TOKEN: '' }, '--token or MEDIADOCK_TOKEN is missing'],
    ['no number', ['f', '--parallel', '0'], {}, '--parallel must be a number from 1 to 99'],
    ['no type', ['f', '--type', 'film'], {}, '--type must be image, eimage or doc'],
    ['an unknown option', ['f', '--fast'], {}, "Unknown option '--fast'"],
  ])('exits with 2 for %s', async (_, args, env, message) => {
    stage = await Stage.set(app);
    const { code, out, err } = await (await run(args, env)).ended;
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(`mediadock-upload: ${message}`);
  });

  it.each([
    ['--help', /^Usage: mediadock-upload FILE.*Exit codes: /s],
    ['--version', /^\d+\.\d+\.\d+\n$/],
  ])('%s tells', async (option, told) => {
    stage = await Stage.set(app);
    expect(await (await run([option])).ended).toMatchObject({ code: 0, out: expect.stringMatching(told) });
  });
});
