import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../scripts/free-port.js';
import { Client, md5 } from './setup/client.js';
import { blocksOf } from './setup/markdown.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';
import { until } from './setup/until.js';

const SECRET = 'a secret of the receivers in the docs';
const file = pdf(3000);

describe.each([
  ['js', 'receiver.mjs', process.execPath],
  ['python', 'receiver.py', 'python3'],
])('the receiver in %s of docs/webhooks.md', (language, name, program) => {
  let directory: string;
  let receiver: ChildProcess;
  let printed = '';
  let url: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'mediadock-receiver-'));
    const block = blocksOf(readFileSync('docs/webhooks.md', 'utf8')).find((one) => one.language === language);
    await writeFile(join(directory, name), block!.text);
    const port = await freePort();
    url = `http://localhost:${port}/`;
    receiver = spawn(program, [join(directory, name)], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        PORT: String(port),
        WEBHOOK_SECRET: SECRET,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    receiver.stdout!.on('data', (text: Buffer) => (printed += text.toString()));
    await until(
      () =>
        fetch(url, { method: 'POST', body: '{}' }).then(
          ({ status }) => status,
          () => 0,
        ),
      (status) => status === 401,
    );
  });
  afterAll(async () => {
    receiver.kill();
    await once(receiver, 'exit');
    await rm(directory, { recursive: true });
  });

  it('takes what the server sends, once, and nothing with another signature', async () => {
    const app = await TestApp.start({
      WEBHOOK_URL: url,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_ALLOW_PRIVATE: 'true',
    });
    const client = await Client.of(app);
    const id = await client.upload(file);
    const { body } = await client.complete(id, md5(file));
    const expected = `upload.created ${id}\nmedia.created ${body.id}\n`;
    expect(
      await until(
        () => Promise.resolve(printed),
        (text) => text.length >= expected.length,
      ),
    ).toBe(expected);
    const forged = { 'selfcommunity-signature': `t=${Math.floor(Date.now() / 1000)},v1=${'0'.repeat(64)}` };
    expect((await fetch(url, { method: 'POST', body: '{}', headers: forged })).status).toBe(401);
    expect(printed).toBe(expected);
    await app.stop();
  });
});
