import type { Server } from 'node:http';
import { Client, md5 } from './setup/client.js';
import { freePort } from '../scripts/free-port.js';
import { missing, PROXIES, startProxy, type Proxy } from './setup/proxy.js';
import { pdf } from './setup/samples.js';
import { TestApp } from './setup/test-app.js';

type Name = keyof typeof PROXIES;
const PLACES = (Object.keys(PROXIES) as Name[]).flatMap((name) =>
  ['', '/media-api'].map((path) => [name, path] as const),
);

describe.each(PLACES)('behind %s, at "%s/"', (name, path) => {
  const reason = missing(name);
  if (reason) {
    it.skip(`is not tried: ${reason}`, () => undefined);
    return;
  }
  let url: string;
  let app: TestApp;
  let proxy: Proxy;
  let client: Client;
  let connections = 0;

  beforeAll(async () => {
    url = `http://127.0.0.1:${await freePort()}${path}`;
    app = await TestApp.start({ NODE_ENV: 'production', PUBLIC_URL: url, TRUST_PROXY: 'loopback' });
    const server: Server = app.app.getHttpServer();
    server.on('connection', () => connections++);
    proxy = await startProxy(name, app.url, url);
    client = new Client(url, await app.token());
  });
  afterAll(async () => {
    await proxy.stop();
    await app.stop();
  });

  it('a file goes up and comes down, and every address that was given works', async () => {
    const file = pdf(500_000);
    const opened = await client.slice(file, 0, 200_000);
    expect(opened.status).toBe(201);
    const location = new URL(opened.headers.get('location') ?? '', url).href;
    expect(location).toBe(`${url}/api/v2/media/upload/${opened.body.upload_id}/`);
    expect((await client.send('GET', location)).body.offset).toBe('200000');
    for (const start of [200_000, 400_000])
      await client.slice(file, start, Math.min(start + 200_000, 500_000), opened.body.upload_id);
    const completed = await client.complete(opened.body.upload_id, md5(file));
    expect(completed.status).toBe(201);
    const media = await client.send('GET', new URL(completed.headers.get('location') ?? '', url).href);
    expect(media.body).toEqual(completed.body);
    expect(media.body.url.startsWith(`${url}/files/`)).toBe(true);
    const bytes = Buffer.from(await (await fetch(media.body.url as string)).arrayBuffer());
    expect(bytes.equals(file)).toBe(true);
  });

  it('a file of 5 MiB goes up in one request', async () => {
    const file = pdf(5 * 1024 * 1024);
    const headers = { 'content-type': 'application/pdf' };
    const { status, body } = await client.send('POST', '/api/v2/media/', {
      headers,
      body: new Uint8Array(file),
    });
    expect([status, body.size]).toEqual([201, file.length]);
  });

  it('the pages load all that they are made of', async () => {
    const addresses = [`${url}/`, `${url}/api/docs`, `${url}/api/docs/`];
    const found = await Promise.all(addresses.map((page) => partsOf(page)));
    const parts = [...new Set(found.flat())];
    expect(parts.length).toBeGreaterThan(10);
    const answers = parts.map(async (part) => `${part} ${(await fetch(part)).status}`);
    expect(await Promise.all(answers)).toEqual(parts.map((part) => `${part} 200`));
    expect(parts.filter((part) => !part.startsWith(`${url}/`))).toEqual([]);
  });

  it('OpenAPI names the server', async () => {
    const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as {
      servers: { url: string }[];
    };
    expect(document.servers).toEqual([{ url }]);
  });

  it('its connections to the server are used again', async () => {
    const before = connections;
    for (let i = 0; i < 20; i++) expect((await client.slice(pdf(1000), 0, 500)).status).toBe(201);
    expect(connections - before).toBeLessThan(3);
  });
});

/** What a page of HTML names, and what its scripts import in turn. */
async function partsOf(page: string): Promise<string[]> {
  const html = await (await fetch(page)).text();
  const named = [...html.matchAll(/(?:href|src)=["']([^"'#]+)["']/g)].map(
    ([, to = '']) => new URL(to, page).href,
  );
  const scripts = named.filter((part) => /\/(demo|client)\/.*\.js$/.test(part));
  return [...named, ...(await importsOf(scripts))];
}

async function importsOf(scripts: readonly string[], seen = new Set(scripts)): Promise<string[]> {
  const found = await Promise.all(
    scripts.map(async (script) => {
      const code = await (await fetch(script)).text();
      return [...code.matchAll(/(?:from|import)\s*["'](\S+\.js)["']/g)].map(
        ([, to = '']) => new URL(to, script).href,
      );
    }),
  );
  const fresh = [...new Set(found.flat())].filter((script) => !seen.has(script));
  fresh.forEach((script) => seen.add(script));
  return fresh.length > 0 ? [...fresh, ...(await importsOf(fresh, seen))] : [];
}
