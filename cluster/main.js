// @ts-check
import { chmod, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { assertFree } from '../scripts/free-port.js';
import { wholeNumber } from '../scripts/whole-number.js';
import { Ceph } from './ceph.js';
import { Cluster } from './cluster.js';
import { temporaryDirectory } from './guard.js';
import { installMissing } from './install.js';
import { Nginx } from './nginx.js';

/** `npm run cluster`: servers behind nginx, with one Postgres and one store, until Ctrl-C. */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8080' },
    servers: { type: 'string', default: '2' },
  },
});
const port = wholeNumber('--port', values.port, 65_535);
const servers = wholeNumber('--servers', values.servers);
await assertFree(port).catch(({ message }) => fail(message));
await installMissing();
if (Nginx.missing) fail(`A cluster needs nginx: ${Nginx.missing}.`);

/** What to stop, in reverse order. @type {(() => Promise<void>)[]} */
const started = [];
let ending = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void end(0));

const starting = start();
starting.then(
  (words) => ending || console.log(words),
  (error) => {
    if (!ending) console.error(error.message);
    void end(1);
  },
);

async function start() {
  const { settings, words } = await startStore();
  if (ending) return '';
  const databaseUrl = await startPostgres();
  if (ending) return '';
  const checkout = resolve(import.meta.dirname, '..');
  const cluster = await Cluster.start({ checkout, databaseUrl, settings, servers, port });
  started.push(() => cluster.stop());
  return ending ? '' : await welcome(cluster, words);
}

/** The bucket from the environment, else a private Ceph if it is installed, else a shared directory. */
async function startStore() {
  const given = Object.entries(process.env).filter(([name]) => name.startsWith('S3_'));
  const named = /** @type {Record<string, string>} */ (Object.fromEntries(given));
  if (named['S3_BUCKET'])
    return { settings: { ...named, STORAGE: 's3' }, words: `the bucket ${named['S3_BUCKET']}` };
  if (Ceph.missing) return { settings: {}, words: `one directory (${Ceph.missing})` };
  console.log('Starting Ceph …');
  const ceph = await Ceph.start();
  started.push(() => ceph.stop());
  return { settings: ceph.settings, words: 'the S3 gateway of Ceph' };
}

async function startPostgres() {
  const dataDir = temporaryDirectory('mediadock-postgres-');
  // Postgres runs as another user if we are root, and that user must be able to enter the directory.
  await chmod(dataDir, 0o755);
  started.push(() => rm(dataDir, { recursive: true, force: true }));
  const built = new URL('../dist/src/database/embedded/embedded-postgres.js', import.meta.url).href;
  const { EmbeddedPostgres } = await import(built);
  const postgres = await EmbeddedPostgres.start({ dataDir });
  started.push(() => postgres.stop());
  const { host, user, database } = postgres.connection;
  return `postgresql://${user}@localhost/${database}?host=${encodeURIComponent(host)}`;
}

/** @param {Cluster} cluster @param {string} store */
async function welcome({ url, members }, store) {
  const answer = await fetch(`${url}/api/v2/dev/token/`, { method: 'POST' });
  const { token } = await answer.json();
  const servers = members.map(({ port, child }) => `http://127.0.0.1:${port} (process ${child?.pid})`);
  return `
  ${members.length} servers behind nginx, with one Postgres and ${store}

  Demo page     ${url}/
  Swagger UI    ${url}/api/docs
  Servers       ${servers.join('\n                ')}

  Kill a server if you like: nothing is lost, and it restarts.
  Ctrl-C stops everything and removes all files.

  A bearer token, valid for a day:

  ${token}
`;
}

/** @param {number} code */
async function end(code) {
  if (ending) return;
  ending = true;
  // Something may be starting right now: stop it once it has started.
  await starting.catch(() => undefined);
  for (const stop of started.reverse()) await stop().catch((error) => console.error(error));
  process.exit(code);
}

/** @param {string} words */
function fail(words) {
  console.error(words);
  process.exit(1);
}
