import { request } from 'node:http';
import { Client, md5 } from './setup/client.js';
import { text } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

const CLAIMS = {
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'https',
  'x-forwarded-prefix': '/evil',
  forwarded: 'host=evil.example;proto=https',
};

let app: TestApp;
afterEach(() => app.stop());

/** Every address that answers give a client, asked for with these headers. */
async function addresses(headers: Record<string, string>): Promise<string[]> {
  const client = await Client.of(app);
  const file = text(100);
  const made = await client.complete(await client.upload(file), md5(file));
  await client.upload(text(50));
  await client.upload(text(50));
  const { token } = client;
  const answers = await Promise.all([
    get(`/api/v2/media/${made.body.id}/`, { ...headers, authorization: `Bearer ${token}` }),
    get('/api/v2/media/?limit=1', { ...headers, authorization: `Bearer ${token}` }),
    get('/api/v2/media/upload/?limit=1', { ...headers, authorization: `Bearer ${token}` }),
  ]);
  return answers.flatMap((answer) => answer.match(/https?:\/\/[^"/]+/g) ?? []);
}

/** fetch would set Host itself. */
async function get(path: string, headers: Record<string, string>): Promise<string> {
  return await new Promise((resolve, reject) => {
    request(new URL(path, app.url), { headers }, (response) => {
      let body = '';
      response.on('data', (piece) => (body += String(piece))).on('end', () => resolve(body));
    })
      .on('error', reject)
      .end();
  });
}

describe('the addresses that answers give', () => {
  it('are PUBLIC_URL in production, whatever a request claims', async () => {
    const settings = { NODE_ENV: 'production', PUBLIC_URL: 'https://media.example', TRUST_PROXY: 'loopback' };
    app = await TestApp.start(settings);
    const given = await addresses({ host: 'evil.example', ...CLAIMS });
    expect([...new Set(given)]).toEqual(['https://media.example']);
  });

  it('never come from X-Forwarded-Host', async () => {
    app = await TestApp.start({ TRUST_PROXY: 'loopback' });
    const given = await addresses({ host: 'media.example', ...CLAIMS });
    expect([...new Set(given)]).toEqual(['https://media.example']);
  });
});
