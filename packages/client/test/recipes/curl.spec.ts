import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pdf } from '../../../../test/setup/samples.js';
import { TestApp } from '../../../../test/setup/test-app.js';
import { commands } from '../setup/recipe.js';
import { CHUNK_PATH, Stage } from '../setup/stage.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const installed = spawnSync('curl', ['--version']).status === 0;
const describeCurl = installed ? describe : describe.skip;

describeCurl(installed ? 'the recipe with curl' : 'the recipe with curl (skipped: it is not here)', () => {
  const file = pdf(500_000);
  let app: TestApp;
  let stage: Stage;
  let begin: string;
  let goOn: string;

  beforeAll(async () => {
    [begin, goOn] = (await commands('curl')) as [string, string];
    app = await TestApp.start();
  });
  afterAll(() => app.stop());
  afterEach(() => stage.strike());

  async function run(command: string, env: Record<string, string>) {
    return await promisify(execFile)(
      'bash',
      ['--norc', '-c', command.replace('http://localhost:3000', stage.proxy.url)],
      { cwd: ROOT, env: { PATH: process.env['PATH'], TOKEN: stage.token, ...env } },
    );
  }

  it('uploads a file', async () => {
    stage = await Stage.set(app);
    const { stdout } = await run(begin, { FILE: await stage.file(file) });
    expect(JSON.parse(stdout)).toMatchObject({ title: 'a b.pdf' });
    await stage.expectOnly(JSON.parse(stdout), file);
  });

  it('goes on after an interruption', async () => {
    const down = { status: 503, headers: {}, body: Buffer.from('{"status":503}') };
    stage = await Stage.set(app, ({ path, turn }) => (path === CHUNK_PATH && turn === 2 ? down : undefined));
    const FILE = await stage.file(file);
    const { stderr } = await run(begin, { FILE }).catch((error: { stderr: string }) => error);
    const [, UPLOAD_ID] = [...stderr.matchAll(/UPLOAD_ID=(\w+)/g)].at(-1)!;
    const { stdout } = await run(goOn, { FILE, UPLOAD_ID: `${UPLOAD_ID}` });
    await stage.expectOnly(JSON.parse(stdout), file);
    expect(stage.ranges().slice(2)).toEqual(['409600-499999/500000', '409600-499999/500000']);
  });
});
